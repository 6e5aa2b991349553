"""Watching and unwatching: what is refused, and under which names the rest is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import ExitCode, LockedError, UsageError
from pacha.host import watch as module
from pacha.host.context import Context
from pacha.store import database
from pacha.store.snapshot import Watched
from pacha.store.state import StateFolder


@pytest.fixture
def here(tmp_path: Path) -> Context:
    return Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tmp_path / "state/pacha"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = (tmp_path / "tree").resolve()
    for name in ("opt/foo/deep", "srv/foo", "srv/food"):
        (root / name).mkdir(parents=True)
    (root / "srv/file").write_text("x")
    return root


def watch(here: Context, path: Path | str, *, single: bool = False) -> Watched:
    return module.watch(here, os.fsencode(path), single=single)


def live(here: Context) -> dict[bytes, str]:
    return {one.path: one.repository for one in module.watched(here)}


def test_watching_a_directory(here: Context, tree: Path) -> None:
    assert module.watched(here) == ()
    made = watch(here, tree / "opt/foo")
    assert made == Watched(path=os.fsencode(tree / "opt/foo"), single=False, repository="foo")
    assert module.watched(here) == (made,)
    assert here.state.read().pending


def test_the_same_last_component_gets_another_repository(here: Context, tree: Path) -> None:
    watch(here, tree / "opt/foo")
    assert watch(here, tree / "srv/foo").repository == "foo-2"
    assert watch(here, tree / "srv/food").repository == "food"


@pytest.mark.parametrize("name", ["backup", "backup/bar", "."])
def test_a_standalone_masters_folder_is_refused(tree: Path, name: str) -> None:
    (tree / "backup/bar").mkdir(parents=True)
    settings = parse_config(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tree}/backup\n")
    standalone = Context(settings, StateFolder(tree.parent / "state"))
    with pytest.raises(UsageError, match="the master's folder"):
        watch(standalone, f"{tree}/{name}")
    assert watch(standalone, tree / "opt").repository == "opt"


@pytest.mark.parametrize("name", ["opt/foo/deep", "opt", "opt/foo", "srv/../opt/foo/", "opt//foo/."])
def test_overlaps_are_refused_naming_the_other(here: Context, tree: Path, name: str) -> None:
    watch(here, tree / "opt/foo")
    with pytest.raises(UsageError) as caught:
        watch(here, f"{tree}/{name}")
    assert str(tree / "opt/foo") in caught.value.message
    assert caught.value.exit_code == ExitCode.USAGE
    assert live(here) == {os.fsencode(tree / "opt/foo"): "foo"}


def test_a_single_file_below_a_watched_directory_overlaps(here: Context, tree: Path) -> None:
    watch(here, tree / "srv/file", single=True)
    with pytest.raises(UsageError, match="overlaps"):
        watch(here, tree / "srv")
    watch(here, tree / "srv/foo")


def test_neighbours_do_not_overlap(here: Context, tree: Path) -> None:
    watch(here, tree / "srv/foo")
    watch(here, tree / "srv/food")
    watch(here, tree / "srv/file", single=True)
    assert len(live(here)) == 3


def test_the_directories_above_are_resolved(here: Context, tree: Path) -> None:
    (tree / "link").symlink_to("opt")
    (tree / "loop").symlink_to("link")
    assert watch(here, tree / "loop/foo").path == os.fsencode(tree / "opt/foo")
    with pytest.raises(UsageError, match="watched already"):
        watch(here, tree / "opt/foo")


def test_two_dots_after_a_link_mean_what_the_kernel_says(here: Context, tree: Path) -> None:
    (tree / "link").symlink_to("opt/foo")
    (tree / "srv/file2").write_text("x")
    assert watch(here, f"{tree}/link/../foo").path == os.fsencode(tree / "opt/foo")
    assert module.unwatch(here, os.fsencode(f"{tree}/link/../foo")).repository == "foo"


@pytest.mark.parametrize(
    ("folder", "name"), [("opt", "foo"), ("opt/foo", "."), ("opt/foo/deep", ".."), ("", "opt/foo/")]
)
def test_relative_paths(here: Context, tree: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str) -> None:
    monkeypatch.chdir(tree / folder)
    assert watch(here, name).path == os.fsencode(tree / "opt/foo")
    assert module.unwatch(here, os.fsencode(name)).path == os.fsencode(tree / "opt/foo")


def test_two_slashes_at_the_start_are_one(here: Context, tree: Path) -> None:
    assert watch(here, f"//{tree}/opt/foo").path == os.fsencode(tree / "opt/foo")


def test_a_link_is_refused_naming_what_it_points_to(here: Context, tree: Path) -> None:
    (tree / "link").symlink_to("opt/foo")
    for single in (False, True):
        with pytest.raises(UsageError, match="is a symlink") as caught:
            watch(here, tree / "link", single=single)
        assert str(tree / "opt/foo") in caught.value.hint


@pytest.mark.parametrize(
    ("name", "single", "says"),
    [
        ("none", False, "does not exist"),
        ("none/below", False, "does not exist"),
        ("none", True, "does not exist"),
        ("srv/file/x", True, "does not exist"),
        ("srv/file", False, "is not a directory"),
        ("srv/foo", True, "is not a regular file"),
        ("fifo", True, "is not a regular file"),
    ],
)
def test_what_is_not_there_or_of_another_kind(here: Context, tree: Path, name: str, single: bool, says: str) -> None:
    os.mkfifo(tree / "fifo")
    with pytest.raises(UsageError, match=says):
        watch(here, tree / name, single=single)
    assert not live(here) and not here.state.path.exists()


@pytest.mark.parametrize("name", ["state", "state/pacha", "state/pacha/repos", "."])
def test_the_state_folder_is_never_watched(here: Context, tmp_path: Path, name: str) -> None:
    here.state.make()
    (here.state.path / "repos").mkdir()
    (tmp_path / "link").symlink_to("state")
    for path in (tmp_path / name, tmp_path / "link/pacha"):
        with pytest.raises(UsageError, match="state folder"):
            watch(here, path)
    assert watch(here, (tmp_path / "state/other").mkdir() or tmp_path / "state/other").repository == "other"


def test_the_state_folder_behind_a_link_is_never_watched(tree: Path) -> None:
    (tree / "real").mkdir()
    (tree / "link").symlink_to("real")
    with pytest.raises(UsageError, match="state folder"):
        watch(Context(parse_config("[DEFAULT]\npacha.host = local\n"), StateFolder(tree / "link/pacha")), tree / "real")


def test_pachas_own_names_are_never_watched(here: Context, tree: Path) -> None:
    for name in (".pacha-kept-1", ".pacha-0123456789abcdef"):
        (tree / name / "below").mkdir(parents=True)
        for path in (tree / name, tree / name / "below"):
            with pytest.raises(UsageError, match="keeps for itself"):
                watch(here, path)


def test_hostile_names_are_shown_escaped(here: Context, tree: Path) -> None:
    name = b"\x1b]0;x\x07\xff\n"
    with pytest.raises(UsageError) as caught:
        module.watch(here, os.fsencode(tree) + b"/" + name)
    assert caught.value.message.isprintable()
    os.mkdir(os.fsencode(tree) + b"/" + name)
    made = module.watch(here, os.fsencode(tree) + b"/" + name)
    assert made.path.endswith(name) and made.repository == "0x"


def test_reserved_names(here: Context, tree: Path) -> None:
    given = {}
    for name in ("db", "last-push", ".hooks", "pacha_pre", "..."):
        (tree / name).mkdir()
        given[name] = watch(here, tree / name).repository
    assert given == {
        "db": "db-2",
        "last-push": "last-push-2",
        ".hooks": "hooks",
        "pacha_pre": "pacha_pre",
        "...": "root",
    }


def test_unwatching_and_watching_again_gives_the_repository_back(here: Context, tree: Path) -> None:
    first = watch(here, tree / "opt/foo")
    snapshot = database.read(here.state.database)
    pushed = replace(first, node="a" * 40)
    database.write(here.state.database, replace(snapshot, watched=(pushed,)))
    assert module.unwatch(here, first.path) == pushed
    assert live(here) == {}
    assert watch(here, tree / "srv/foo").repository == "foo-2", "a name once used is never given again"
    assert watch(here, tree / "opt/foo") == pushed
    assert [one.repository for one in database.read(here.state.database).watched].count("foo") == 1
    assert live(here) == {first.path: "foo", os.fsencode(tree / "srv/foo"): "foo-2"}


def test_a_path_that_came_back_as_another_kind_gets_a_repository_of_its_own(here: Context, tree: Path) -> None:
    watch(here, tree / "srv/foo")
    module.unwatch(here, os.fsencode(tree / "srv/foo"))
    (tree / "srv/foo").rmdir()
    (tree / "srv/foo").touch()
    assert watch(here, tree / "srv/foo", single=True).repository == "foo-2"
    module.unwatch(here, os.fsencode(tree / "srv/foo"))
    assert watch(here, tree / "srv/foo", single=True).repository == "foo-2"


def test_what_is_gone_can_be_unwatched(here: Context, tree: Path) -> None:
    (tree / "link").symlink_to("opt")
    watch(here, tree / "link/foo")
    (tree / "opt/foo/deep").rmdir()
    (tree / "opt/foo").rmdir()
    module.unwatch(here, os.fsencode(tree / "link/foo"))
    assert live(here) == {}


def test_unwatching_what_is_not_watched(here: Context, tree: Path) -> None:
    watch(here, tree / "opt/foo")
    for name in ("opt", "opt/foo/deep", "srv/foo", "none"):
        with pytest.raises(UsageError, match="is not watched"):
            module.unwatch(here, os.fsencode(tree / name))
    assert len(live(here)) == 1


def test_the_list_is_not_touched_while_another_run_holds_the_lock(
    here: Context, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = StateFolder.locked
    monkeypatch.setattr(StateFolder, "locked", lambda self, wait_seconds=0, work="": real(self, 0))
    with here.state.locked():
        with pytest.raises(LockedError):
            watch(here, tree / "opt/foo")
    assert live(here) == {}


def test_what_the_kernel_makes_up_is_refused_at_once(here: Context) -> None:
    for path, single in (("/proc", False), ("/proc/self/net", False), ("/proc/version", True)):
        with pytest.raises(UsageError) as caught:
            watch(here, os.path.realpath(path), single=single)
        assert caught.value.code == "watch-kernel-files"
    assert not live(here)


def test_whoever_unwatches_a_part_is_told_how_to_leave_it_out(here: Context, tree: Path) -> None:
    watch(here, tree / "opt")
    for path, hint in (("opt/foo", "pacha.exclude"), ("srv", "config-values")):
        with pytest.raises(UsageError, match="not watched") as caught:
            module.unwatch(here, os.fsencode(tree / path))
        assert hint in caught.value.hint
