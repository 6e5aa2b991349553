"""Renaming and back: exact, ended by a second run, no name taken twice."""

from __future__ import annotations

import os

import pytest

from pacha.errors import UsageError
from pacha.server import host_keys, hosts, moving, rename
from tests.support.away import OTHERS, Master, master_of_this_user, stopping  # noqa: F401  (a fixture)


def test_everything_gets_the_name_and_gives_it_back(master: Master) -> None:
    bar = master.add("bar")
    inode = bar.stat().st_ino
    master.keys.write_bytes(OTHERS + master.line("bar", options=" --push-only") + b"\n")
    before = master.everything()
    planned = rename.plan(master.path, "bar", "baz")
    assert (planned.account, planned.keys) == ("bar_user", 1) and master.everything() == before
    rename.rename(master.path, "bar", "baz")
    assert hosts.names(master.path) == ["baz"] and (master.hosts / "baz").stat().st_ino == inode
    assert master.keys.read_bytes() == OTHERS + master.line("baz", options=" --push-only") + b"\n"
    assert (os.listdir(master.hosts / ".hooks"), os.listdir(master.hosts / ".pacha")) == (["baz"], ["baz.json"])
    rename.rename(master.path, "baz", "bar")
    assert master.everything() == before


@pytest.mark.parametrize("step", [(host_keys, "rename"), (moving, "move_rest"), (moving, "move_folder")])
@pytest.mark.parametrize("after", [False, True])
def test_stopped_at_any_step_a_second_run_ends_it(
    master: Master, monkeypatch: pytest.MonkeyPatch, step: tuple[object, str], after: bool
) -> None:
    master.add("bar")
    master.keys.write_bytes(master.line("bar") + b"\n")

    with monkeypatch.context() as patch:
        patch.setattr(*step, stopping(getattr(*step), after=after))
        with pytest.raises(KeyboardInterrupt):
            rename.rename(master.path, "bar", "baz")
    if hosts.names(master.path) == ["bar"]:
        rename.rename(master.path, "bar", "baz")
    assert hosts.names(master.path) == ["baz"] and master.keys.read_bytes() == master.line("baz") + b"\n"
    assert os.listdir(master.hosts / ".hooks") == ["baz"]


@pytest.mark.parametrize("taken", ["baz", ".hooks/baz"])
def test_a_name_that_is_taken(master: Master, taken: str) -> None:
    master.add("bar")
    (master.hosts / taken).mkdir()
    before = master.everything()
    with pytest.raises(UsageError) as caught:
        rename.rename(master.path, "bar", "baz")
    assert caught.value.code == "host-name-taken" and master.everything() == before
