"""Retiring and the way back: exact, whole after each step, names kept, hostile folders left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pacha.config.keys import HOST_NAME_MAX
from pacha.errors import PachaError, UnreachableError, UsageError
from pacha.server import check_results, host_keys, hosts, moving, retire
from pacha.server.add_host import add_host
from pacha.server.check_results import CheckResult
from pacha.server.host_directory import HostDirectory
from pacha.server.rename import rename
from tests.support.away import OTHERS, Master, master_of_this_user, stopping  # noqa: F401  (a fixture)


@pytest.fixture
def bar(master: Master) -> Path:
    master.keys.write_bytes(master.line("foo", "AAAAfoo") + b"\n" + OTHERS + master.line("bar") + b"\n")
    return master.add("bar")


def test_it_is_put_away_and_comes_back_to_the_last_bit(master: Master, bar: Path) -> None:
    before = master.everything()
    planned = retire.plan(master.path, "bar")
    assert (planned.account, planned.keys, planned.other_keys) == ("bar_user", 1, 1)
    assert master.everything() == before
    retire.retire(master.path, "bar", "sold")
    assert hosts.names(master.path) == []
    assert master.keys.read_bytes() == master.line("foo", "AAAAfoo") + b"\n" + OTHERS
    archive = master.hosts / ".retired" / "bar"
    assert sorted(os.listdir(archive)) == ["check.json", "folder", "hooks", "record.json"]
    assert [path.stat().st_mode & 0o777 for path in (archive.parent, archive)] == [0o711, 0o700]
    assert (archive / "record.json").stat().st_mode & 0o777 == 0o600
    assert retire.undo(master.path, "bar").keys == 1
    assert master.everything() == before


def test_the_longest_name(master: Master) -> None:
    """Each name of a file that is made of it has room."""
    longest = "b" * HOST_NAME_MAX
    master.add(longest)
    check_results.write(master.path, CheckResult(host=longest, at=1.0, code=0))
    before = master.everything()
    retire.retire(master.path, longest)
    retire.undo(master.path, longest)
    assert master.everything() == before
    rename(master.path, longest, "bar")
    rename(master.path, "bar", "c" * HOST_NAME_MAX)
    assert list(check_results.read(master.path)) == hosts.names(master.path) == ["c" * HOST_NAME_MAX]


def test_the_name_is_kept(master: Master, bar: Path) -> None:
    master.add("foo")
    retire.retire(master.path, "bar")
    for act in (
        lambda: add_host(master.path, "bar", None),
        lambda: rename(master.path, "foo", "bar"),
        lambda: rename(master.path, "bar", "baz"),
    ):
        with pytest.raises(UsageError) as caught:
            act()
        assert caught.value.code == "name-retired" and "retire --undo bar" in caught.value.hint
    with pytest.raises(UnreachableError) as refused:
        HostDirectory(master.path, "bar").make()
    assert refused.value.code == "host-retired"
    with pytest.raises(UnreachableError) as missed:
        HostDirectory(master.path, "bar").last_push()
    assert missed.value.code == "host-retired"
    assert not bar.exists()


STEPS: tuple[tuple[object, str], ...] = (
    (moving, "move_folder"),
    (moving, "move_rest"),
    (host_keys, "take_out"),
    (host_keys, "put_back"),
)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(len(STEPS)))
def test_stopped_at_any_step_a_second_run_ends_it(
    master: Master, bar: Path, monkeypatch: pytest.MonkeyPatch, step: int, after: bool
) -> None:
    before = master.everything()
    owner, name = STEPS[step]

    def interrupted(act: Callable[[], object]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, stopping(getattr(owner, name), after=after))
            try:
                act()
            except KeyboardInterrupt:
                pass
        assert bar.exists() != (master.hosts / ".retired" / "bar" / "folder").exists()

    interrupted(lambda: retire.retire(master.path, "bar"))
    retire.retire(master.path, "bar")
    assert master.line("bar") not in master.keys.read_bytes() and not bar.exists()
    interrupted(lambda: retire.undo(master.path, "bar"))
    if (master.hosts / ".retired" / "bar").exists():
        retire.undo(master.path, "bar")
    assert master.everything() == before


def test_an_undo_that_stopped_may_become_a_retirement_again(
    master: Master, bar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire.retire(master.path, "bar")
    with monkeypatch.context() as patch:
        patch.setattr(moving, "move_folder", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            retire.undo(master.path, "bar")
    assert master.line("bar") in master.keys.read_bytes()
    retire.retire(master.path, "bar")
    assert master.line("bar") not in master.keys.read_bytes()
    assert not (master.hosts / ".hooks" / "bar").exists()


def test_what_a_host_forged_leads_nowhere(master: Master, bar: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".hg" / "store").mkdir(parents=True)
    (bar / "etc").symlink_to(elsewhere)
    (bar / "opt" / ".hg").mkdir(parents=True)
    (bar / "opt" / ".hg" / "store").symlink_to(elsewhere)
    os.mkfifo(bar / "fifo")
    before = sorted(elsewhere.rglob("*"))
    retire.retire(master.path, "bar")
    assert sorted(elsewhere.rglob("*")) == before
    assert os.readlink(master.hosts / ".retired" / "bar" / "folder" / "etc") == str(elsewhere)


def test_a_link_in_the_place_of_the_folder_or_no_host_at_all(master: Master, tmp_path: Path) -> None:
    (master.hosts / "bar").symlink_to(tmp_path)
    with pytest.raises(PachaError) as linked:
        retire.retire(master.path, "bar")
    with pytest.raises(PachaError) as missing:
        retire.retire(master.path, "none")
    with pytest.raises(PachaError) as not_retired:
        retire.undo(master.path, "none")
    codes = [caught.value.code for caught in (linked, missing, not_retired)]
    assert codes == ["host-folder-linked", "no-such-host", "not-retired"]
    assert not (master.hosts / ".retired").exists()


def test_a_key_that_serves_something_else_now_stops_the_way_back(master: Master, bar: Path) -> None:
    retire.retire(master.path, "bar")
    master.keys.write_bytes(master.line("baz") + b"\n")
    with pytest.raises(PachaError) as caught:
        retire.undo(master.path, "bar")
    assert caught.value.code == "key-in-use-again" and not bar.exists()


def test_an_account_that_is_gone_costs_the_key_alone(
    master: Master, bar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire.retire(master.path, "bar")
    monkeypatch.setattr(moving, "account_of", lambda uid, name=None: None)
    returned = retire.undo(master.path, "bar")
    assert (returned.account, returned.lost_keys) == ("", 1) and bar.is_dir()


def test_a_second_host_of_the_name_is_in_the_way(master: Master, bar: Path) -> None:
    retire.retire(master.path, "bar")
    master.add("bar")
    for act in (retire.undo, retire.retire):
        with pytest.raises(PachaError) as caught:
            act(master.path, "bar")
        assert caught.value.code == "retired-twice"
