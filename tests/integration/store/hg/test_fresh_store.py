"""The first commit of a repository: to the byte what Mercurial would write."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.store.hg import NULL, Blob, Repository
from pacha.store.hg import repository as repository_module
from pacha.store.hg.fresh_store import first_commit
from tests.support.committing import NOTE, commit, contents, verify

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repos/foo"), create=True)


def test_a_first_commit_writes_what_any_other_way_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks for nothing that cannot be there, and writes each log in one go. To the byte, whatever is in it:

    names that are hashed, logs of two files, folders in folders; texts that are packed or not, around each limit.
    """
    long, noise = b"f" * 200, os.urandom(300_000)
    files: dict[bytes, bytes | Blob] = {
        b"a": b"1", b"e/mpty": b"", b"d/E/g": noise, long + b"/" + long: b"long", b"z" + long: b"2", b"d.i/x": b"3",
        b"link": Blob(b"target", is_link=True), b"run": Blob(b"#!" * 99, is_executable=True),
        b"meta": b"\1\n\1\ntext", b"nul": b"\0" + noise[:99], b"u": b"u" + noise[:99], b"zstd": b"\x28" + noise[:99],
        b"zeros": bytes(3 << 20), b"large": b"some text\n" * 200_000, b"half": noise[:70_000] + bytes(900_000),
    }  # fmt: skip
    files |= {b"few%d" % size: b"x" * size for size in (48, 49, 50, 51, 52)}
    files |= {b"noise%d" % size: noise[:size] for size in (49, 50, 51, *range(131_068, 131_076))}
    found = []
    for way in ("first_commit", "any"):
        monkeypatch.setattr(repository_module, "first_commit", first_commit if way == "first_commit" else nullcontext)
        made = Repository.open(str(tmp_path / way), create=True)
        node = commit(made, NULL, files)
        store = tmp_path / way / ".hg" / "store"
        lists = [sorted((store / name).read_bytes().splitlines()) for name in ("fncache", "undo")]
        commit(made, node, {b"a": b"3", b"n/ew": b"4"})
        verify(made.path)
        paths = [path for path in store.rglob("*") if path.is_dir() or path.suffix in (".i", ".d")]
        logs = {path.relative_to(store): (path.stat().st_mode, path.is_file() and path.read_bytes()) for path in paths}
        found.append((logs, lists))
    assert found[0] == found[1] and len(found[0][0]) > 50 and all(map(len, found[0][1]))


def test_a_first_commit_that_ends_early_leaves_room_for_another(repository: Repository) -> None:
    def content(name: bytes) -> Blob:
        if name == b"b/c":
            raise OSError(errno.EIO, "")
        return Blob(b"2")

    with pytest.raises(PachaError):
        repository.commit(NULL, [b"a", b"b/b", b"b/c"], [], content, NOTE)
    assert repository.heads() == ()
    node = commit(repository, NULL, {b"a": b"1", b"b/c": b"3"})
    assert contents(repository, node) == {b"a": b"1", b"b/c": b"3"}
    verify(repository.path)


def test_a_history_without_its_logs_is_damaged(repository: Repository) -> None:
    """It looks like a store in which nothing is yet."""
    node = commit(repository, NULL, {b"a": b"1"})
    shutil.rmtree(f"{repository.path}/.hg/store/data")
    with pytest.raises(DamagedError) as refused:
        commit(Repository.open(repository.path), node, {b"a": b"2"})
    assert refused.value.why.startswith("LookupError")


def test_what_is_large_is_packed_once(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def pack(text: bytes) -> bytes:
        raise AssertionError(f"{len(text)} bytes are packed here")

    monkeypatch.setattr("pacha.store.hg.revlog._packed", pack)
    large = b"large" * 27_000
    assert contents(repository, commit(repository, NULL, {b"large": large})) == {b"large": large}
