"""A push: what reached the master and what did not, and that one which changes nothing sends nothing."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from pacha.errors import ConfigError, LockedError, PachaError
from pacha.files import content
from pacha.push import blobs, push
from pacha.store.hg import Blob, Log, Repository
from pacha.store.hg.new_store import NewStore
from pacha.wire import local_master, local_store
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_first_makes_a_snapshot_and_the_next_has_nothing_to_send(bar: Standalone) -> None:
    first, second = bar.push(), bar.push()
    assert first.committed and first.sent and first.changes.added == (bar.path, bar.path + b"/one")
    assert not second.committed and not second.sent and second.tip == first.tip
    assert first.paths == second.paths == 2 and first.failure is None
    assert (bar.master / "last-push").exists() and (bar.master / "foo/.hg").is_dir()


def test_what_is_tried_and_what_came_of_it_is_remembered(bar: Standalone) -> None:
    bar.push()
    state = bar.context().state.read()
    assert state.tried and state.succeeded >= state.tried and state.failure == "" and not state.pending


def test_where_no_master_can_be_had_the_snapshot_waits_here(bar: Standalone) -> None:
    pushed = push.push(bar.context(hosts_path="/proc/nowhere"))
    assert pushed.committed and pushed.masters == () and pushed.failure is not None
    assert bar.context().state.read().failure
    again = bar.push()
    assert again.sent and not again.committed and again.tip == pushed.tip


def test_a_folder_of_hosts_that_is_a_file_is_a_master_out_of_reach(bar: Standalone, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pushed = push.push(bar.context(hosts_path=str(tmp_path / "file")))
    assert pushed.committed and pushed.failure is not None and pushed.failure.code == "hosts-path-unreadable"


@pytest.mark.slow
def test_a_clock_that_was_set_back_is_named_once(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a battery for its clock begins in 1970, and its snapshots come in their order all the same."""
    real = time.time
    for back, said in ((0, False), (30, False), (10**9, True), (10**9 - 600, False), (0, False)):
        monkeypatch.setattr(time, "time", lambda back=back: real() - back)
        (bar.tree / "one").write_text(f"{back} {said}\n")
        pushed = push.push(bar.context())
        assert pushed.committed and pushed.failures == ()
        assert [concern.reason[:28] for concern in pushed.concerns] == ["this machine's clock says 19"] * said
    assert not bar.push().concerns


def test_what_is_said_of_it_is_in_the_history(bar: Standalone) -> None:
    tip = bar.push("because\x1b of this").tip
    note = bar.session().repository("db").note(tip)
    assert "because" in note.message and "\x1b" not in note.message and "@" in note.user


def test_nobody_pushes_beside_another_run(bar: Standalone) -> None:
    with bar.context().state.locked(), pytest.raises(LockedError):
        push.push(bar.context())


def test_without_a_master_nothing_is_tried(bar: Standalone) -> None:
    with pytest.raises(ConfigError):
        push.push(bar.context(host=""))
    assert bar.context().state.read().tried == 0


def test_what_ends_a_push_is_remembered_with_its_cure(bar: Standalone) -> None:
    (bar.top / "state/pacha.db").write_bytes(b"x" * 5000)
    with pytest.raises(PachaError) as caught:
        push.push(bar.context())
    state = bar.context().state.read()
    assert (state.failure, state.cure) == (caught.value.in_a_line, caught.value.hint)


@pytest.mark.parametrize(("error", "told"), [(MemoryError(), "allocate memory"), (AssertionError(), "AssertionError")])
def test_a_push_that_failed_without_a_word_failed_all_the_same(
    bar: Standalone, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'pacha status' takes an empty text for no failure."""
    monkeypatch.setattr(push, "scan", Mock(side_effect=error))
    with pytest.raises(type(error)):
        push.push(bar.context())
    assert told in bar.context().state.read().failure


def test_what_a_killed_rebuild_had_fetched_is_removed(bar: Standalone) -> None:
    left = Path(os.environ["TMPDIR"]) / "pacha-0123456789abcdef"
    left.mkdir(mode=0o700)
    bar.context().state.update(staging=str(left))
    bar.push()
    assert not left.exists()


# -- what is sent while it is committed


@pytest.fixture(name="many")
def host_of_many(bar: Standalone) -> Standalone:
    """It watches more files than are told at once."""
    for number in range(200):
        (bar.tree / f"{number:03}").write_text(f"{number}\n")
    (bar.tree / "0" / ("long" * 50)).parent.mkdir()
    (bar.tree / "0" / ("long" * 50)).write_text("Mercurial shortens this name\n")
    return bar


def logs(folder: Path) -> dict[str, bytes]:
    """The history in a repository."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.[id]")}


def names(bar: Standalone) -> list[str]:
    """What the master has of the host."""
    return sorted(os.listdir(bar.master)) if bar.master.exists() else []


def test_the_first_sends_while_it_commits(many: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    real = NewStore.add_file

    def add_file(store: NewStore, name: bytes, blob: Blob) -> Log:
        if name == b"149":
            time.sleep(0.1)  # names wait so long at most
        if name == b"150":
            until = time.monotonic() + 20
            while not (come := list(many.master.rglob("000.i"))) and time.monotonic() < until:
                time.sleep(0.01)
            assert come and not (many.master / "foo").exists()
        return real(store, name, blob)

    monkeypatch.setattr(NewStore, "add_file", add_file)
    many.push()
    assert logs(many.master / "foo") == logs(many.top / "state/repos/foo") != {}
    assert names(many) == ["db", "foo", "last-push"]
    assert not many.push().sent


@pytest.mark.parametrize("where", ["add_file", "begin", "add"])
def test_a_commit_that_fails_leaves_nothing_on_the_master(
    many: Standalone, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    real, count = getattr(NewStore, where), iter(range(1000))

    def fails(store: Any, *given: bytes) -> Any:
        if where != "add_file" or next(count) == 150:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(store, *given)

    with monkeypatch.context() as broken, pytest.raises(PachaError) as caught:
        broken.setattr(NewStore, where, fails)
        push.push(many.context())
    assert caught.value.code == "disk-refused" and names(many) == []
    many.push()
    assert logs(many.master / "foo") == logs(many.top / "state/repos/foo")


def test_a_master_that_fails_meanwhile_is_sent_it_the_next_time(
    many: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(copy: object, store: int, path: bytes) -> None:
        raise PachaError("There is no room.", code="no-room-for-copy")

    with monkeypatch.context() as broken:
        broken.setattr(local_store.StoreCopy, "add", fails)
        broken.setattr(local_master.LocalMaster, "create", fails)
        pushed = push.push(many.context())
    assert pushed.committed and pushed.failure is not None and names(many) == []
    again = many.push()
    assert again.sent and not again.committed and again.tip == pushed.tip
    assert logs(many.master / "foo") == logs(many.top / "state/repos/foo")


def test_a_commit_that_starts_again_is_sent_all_the_same(many: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a large file was sent before the next one could not be read."""
    monkeypatch.setattr(content, "WHOLE_LIMIT", 1000)
    monkeypatch.setattr(content, "PART_SIZE", 256)
    (many.tree / "large").write_bytes(b"n" * 3000)
    real = blobs.LargeFile.read

    def read(large: Any, number: int) -> bytes:
        if number == 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(large, number)

    monkeypatch.setattr(blobs.LargeFile, "read", read)
    pushed = push.push(many.context())
    assert [concern.path for concern in pushed.concerns] == [many.path + b"/large"] and pushed.failures == ()
    there = Repository.open(str(many.master / "foo"))
    assert there.heads() == Repository.open(str(many.top / "state/repos/foo")).heads()
    assert set(there.names(there.heads()[0])) == {
        b"one",
        b"0/" + b"long" * 50,
        *(b"%03d" % number for number in range(200)),
    }
    assert names(many) == ["db", "foo", "last-push"]


def test_a_folder_without_files_is_sent_as_well(bar: Standalone) -> None:
    (bar.tree / "one").unlink()
    bar.push()
    assert "db" in names(bar)
    (bar.tree / "one").write_text("one\n")
    bar.push()
    assert logs(bar.master / "foo") == logs(bar.top / "state/repos/foo") != {}
