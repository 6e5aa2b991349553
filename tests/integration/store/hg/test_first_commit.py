"""The first commit of a repository: to the byte what Mercurial would write."""

from __future__ import annotations

import errno
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.store.hg import NULL, Blob, Note, Repository, first_commit, open_lazily
from pacha.store.revision import Interruption
from tests.support.committing import NOTE, commit, contents, verify

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
NOTES = [
    NOTE,
    Note("  two \n\n lines\t \n\n", " a b@c ", 0.7),
    Note("x" * 70_000, "u", 2**31 + 0.5),
    Note("", "é", 1.0),
]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return open_lazily(str(tmp_path / "repos/foo"))


def history(path: Path) -> dict[str, bytes]:
    """What a master or another Mercurial reads of the repository at ``path``; the list of names has no order."""
    files = [file for file in (path / ".hg").rglob("*") if file.is_file()]
    found = {str(file.relative_to(path)): file.read_bytes() for file in files}
    found[".hg/store/fncache"] = b"".join(sorted(found[".hg/store/fncache"].splitlines(keepends=True)))
    return {name: data for name, data in found.items() if "cache/" not in name and "undo" not in name}


def files() -> dict[bytes, bytes | Blob]:
    """Names that are hashed, logs of two files, folders in folders; texts that are packed or not, at each limit."""
    long, noise = b"f" * 200, os.urandom(2_000_000)
    made: dict[bytes, bytes | Blob] = {
        b"a": b"1", b"e/mpty": b"", b"d/E/g": noise[:300_000], long + b"/" + long: b"long", b"z" + long: b"2",
        b"d.i/x": b"3", b"x/d.d": b"4", b".dot/com1.aux/ a ": b"5", b"n/\xff\xc3\xa9?": b"6",
        b"link": Blob(b"target", is_link=True), b"run": Blob(b"#!" * 99, is_executable=True),
        b"meta": b"\1\n\1\ntext", b"nul": b"\0" + noise[:99], b"u": b"u" + noise[:99], b"zstd": b"\x28" + noise[:99],
        b"zeros": bytes(3 << 20), b"large": b"some text\n" * 200_000, b"half": noise[:70_000] + bytes(900_000),
        b"noise": noise,
    }  # fmt: skip
    made |= {b"few%d" % size: b"x" * size for size in (48, 49, 50, 51, 52)}
    made |= {b"noise%d" % size: noise[:size] for size in (49, 50, 51, *range(131_068, 131_076))}
    return made | {b"text%d" % size: b"text" * 250_000 + b"x" * size for size in (0, 1)}


def both(tmp_path: Path, made: dict[bytes, bytes | Blob], note: Note) -> tuple[Path, Path]:
    """A repository that Mercurial filled, and one that was written, each with ``made`` as its first commit."""
    blobs = {name: Blob(data) if isinstance(data, bytes) else data for name, data in made.items()}
    nodes = set()
    for name, opened in (
        ("mercurial", Repository.open(str(tmp_path / "mercurial"), create=True)),
        ("written", open_lazily(str(tmp_path / "written"))),
    ):
        nodes.add(opened.commit(NULL, blobs, [], blobs.__getitem__, note))
        assert opened.heads() == (*nodes,), name
    return tmp_path / "mercurial", tmp_path / "written"


def test_a_first_commit_writes_what_mercurial_writes(tmp_path: Path) -> None:
    mercurial, written = both(tmp_path, files(), NOTE)
    assert history(mercurial) == history(written) and len(history(written)) > 50
    assert {path.stat().st_mode & 0o077 for path in (written, *written.rglob("*"))} == {0}
    verify(str(written))
    for path in (mercurial, written):
        opened = Repository.open(str(path))
        commit(opened, opened.heads()[0], {b"a": b"3", b"n/ew": b"4"})
        verify(str(path))
    assert history(mercurial) == history(written)


def test_many_names_make_a_manifest_of_two_files(tmp_path: Path) -> None:
    mercurial, written = both(tmp_path, {b"d%d/%d" % (n % 7, n): b"%d" % n for n in range(9000)}, NOTE)
    assert history(mercurial) == history(written) and (written / ".hg/store/00manifest.d").exists()


@pytest.mark.parametrize("note", NOTES)
def test_each_note_is_written_as_mercurial_does(tmp_path: Path, note: Note) -> None:
    mercurial, written = both(tmp_path, {b"a": b"1"}, note)
    assert history(mercurial) == history(written)


@pytest.mark.parametrize("raised", [OSError(errno.EIO, ""), Interruption("x")])
def test_a_first_commit_that_ends_early_leaves_nothing(repository: Repository, raised: Exception) -> None:
    def content(name: bytes) -> Blob:
        if name == b"b/c":
            raise raised
        return Blob(b"2")

    with pytest.raises(PachaError if isinstance(raised, OSError) else Interruption):
        repository.commit(NULL, [b"a", b"b/b", b"b/c"], [], content, NOTE)
    assert repository.heads() == () and os.listdir(os.path.dirname(repository.path)) == []
    node = commit(repository, NULL, {b"a": b"1", b"b/c": b"3"})
    assert contents(repository, node) == {b"a": b"1", b"b/c": b"3"}
    verify(repository.path)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_it_is_private_and_leaves_the_umask_to_the_other_threads(tmp_path: Path, umask: int) -> None:
    """A repository that another thread makes on a local master meanwhile sets it, too, and sets it back."""
    masks = []

    def content(name: bytes) -> Blob:
        masks.append(os.umask(umask))
        return Blob(name)

    made, before = open_lazily(str(tmp_path / "repos/foo")), os.umask(umask)
    try:
        made.commit(NULL, [b"a", b"b/c/d", b"f" * 130], [], content, NOTE)
    finally:
        os.umask(before)
    assert masks == [umask] * 3
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "repos").rglob("*")} == {0o600, 0o700}


def test_it_has_its_name_only_when_it_is_on_the_disk(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, name = os.path.split(repository.path)
    synced = []

    def sync(kind: str, fd: int) -> None:
        assert os.readlink(f"/proc/self/fd/{fd}") == folder
        synced.append((kind, os.listdir(fd), os.path.exists(f"{folder}/.new-{name}/.hg/store/00changelog.i")))

    for kind in ("sync_file", "sync_file_system"):
        monkeypatch.setattr(first_commit, kind, partial(sync, kind))
    commit(repository, NULL, {b"a": b"1"})
    assert synced == [("sync_file_system", [f".new-{name}"], True), ("sync_file", [name], False)]


def test_a_disk_that_fails_only_when_it_is_synced(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as refusing:
        refusing.setattr(first_commit, "sync_file_system", full)
        with pytest.raises(PachaError):
            commit(repository, NULL, {b"a": b"1"})
    assert os.listdir(os.path.dirname(repository.path)) == []


def test_what_a_killed_one_left_is_removed(repository: Repository) -> None:
    folder, name = os.path.split(repository.path)
    left = Path(folder, f".new-{name}", ".hg/store/data")
    left.mkdir(parents=True)
    (left / "a.i").write_bytes(b"half")
    node = commit(repository, NULL, {b"a": b"1", b"gone": None})
    assert contents(repository, node) == {b"a": b"1"} and os.listdir(folder) == [name]


def test_a_history_without_its_logs_is_damaged(repository: Repository) -> None:
    node = commit(repository, NULL, {b"a": b"1"})
    shutil.rmtree(f"{repository.path}/.hg/store/data")
    with pytest.raises(DamagedError) as refused:
        commit(Repository.open(repository.path), node, {b"a": b"2"})
    assert refused.value.why.startswith("LookupError")
