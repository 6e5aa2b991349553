"""The folder for what is fetched: where nobody else can replace it, and removed in the end."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import PachaError
from pacha.fetch import staging_dir
from pacha.host.context import Context
from pacha.store.host_state import HostState
from pacha.store.state import StateFolder


def test_what_cannot_be_removed_now_is_removed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    fresh = Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tmp_path / "fresh"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *arguments, **settings: None)  # the disk fails
        stubborn = [staging_dir.create(fresh) for _ in range(3)]
        staging_dir.remove_leftovers(fresh)
    assert all(folder.is_dir() for folder in stubborn)
    staging_dir.remove_leftovers(fresh)
    assert not [folder for folder in stubborn if folder.exists()] and fresh.state.read() == HostState()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_where_others_may_rename_it_it_is_made_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    fresh = Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tmp_path / "fresh"))
    assert staging_dir.create(fresh).parent == place
    place.chmod(mode)
    made = staging_dir.create(fresh)
    assert made.parent == tmp_path / "fresh" and made.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == [], "the one before is gone"
    place.chmod(mode | 0o1000)  # as /tmp is
    assert staging_dir.create(fresh).parent == place


def test_where_none_can_be_made_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    fresh = Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tmp_path / "fresh"))
    with pytest.raises(PachaError) as caught:
        staging_dir.create(fresh)
    assert caught.value.code == "no-staging-folder"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_while_something_is_fetched_is_named(tmp_path: Path, number: int) -> None:
    """write(2) tells no name: who is told only that no space is left does not know where."""
    with pytest.raises(PachaError) as caught, staging_dir.with_room(lambda: tmp_path / "pacha-0123456789abcdef"):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path) in caught.value.message and "TMPDIR" in caught.value.hint
    with pytest.raises(NotADirectoryError), staging_dir.with_room(lambda: tmp_path):
        raise NotADirectoryError(errno.ENOTDIR, "x")


@pytest.mark.parametrize("name", ["precious", "pacha-", "pacha-0123456789/../../precious", "pacha-link1234"])
def test_nothing_is_removed_that_is_not_one_of_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").mkdir(mode=0o700)
    (tmp_path / "pacha-link1234").symlink_to("precious")
    fresh = Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tmp_path / "fresh"))
    fresh.state.update(staging=str(tmp_path / name), staging_left=("/",))
    staging_dir.remove_leftovers(fresh)
    assert (tmp_path / "precious").is_dir() and fresh.state.read() == HostState()
