"""A repository on this machine, against a real hg."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from mercurial import hg as mercurial_hg

from pacha.errors import DamagedError, PachaError
from pacha.store import hg
from pacha.store.hg import NULL, Blob, Repository, runtime
from pacha.store.repository_dir import install
from tests.support.committing import NOTE, commit, contents, verify
from tests.support.mercurial import run_hg

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
CHECKOUT = Path(__file__).parents[4]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repos/foo"), create=True)


# -- committing


def test_a_new_repository_is_empty_and_private(repository: Repository) -> None:
    assert repository.heads() == ()
    assert list(repository.revisions()) == []
    assert stat.S_IMODE(os.stat(repository.path).st_mode) == 0o700
    assert os.listdir(repository.path) == [".hg"]


def test_two_that_are_made_at_once_are_private_and_leave_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, before = mercurial_hg.repository, os.umask(0o022)
    begun, may_end = [], [threading.Event(), threading.Event()]

    def slowly(ui: object, path: bytes, create: bool = False) -> object:
        if create:
            begun.append(path)
            may_end[len(begun) - 1].wait(10 if len(begun) == 1 else 0.2)
        return real(ui, path, create=create)

    monkeypatch.setattr(mercurial_hg, "repository", slowly)
    opened = partial(Repository.open, create=True)
    makers = [threading.Thread(target=opened, args=(str(tmp_path / name),)) for name in "ab"]
    try:
        makers[0].start()
        while not begun:
            time.sleep(0.01)
        makers[1].start()
        time.sleep(0.05)  # it would begin now
        may_end[0].set()
        for maker in makers:
            maker.join()
    finally:
        after = os.umask(before)
    assert after == 0o022
    assert {(tmp_path / name / ".hg/store").stat().st_mode & 0o077 for name in "ab"} == {0}


def test_first_commit_and_the_next(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1", b"d/b": b"2\0\xff", b"l": Blob(b"target", is_link=True)})
    second = commit(repository, first, {b"a": Blob(b"1!", is_executable=True), b"c": b""}, (b"d/b",))
    assert contents(repository, first) == {b"a": b"1", b"d/b": b"2\0\xff", b"l": b"target"}
    assert contents(repository, second) == {b"a": b"1!", b"c": b"", b"l": b"target"}
    assert repository.names(second)[b"a"][20:] == b"x" and repository.names(second)[b"l"][20:] == b"l"
    assert repository.heads() == (second,)
    assert list(repository.revisions()) == [second, first]
    assert repository.is_ancestor(first, second) and repository.is_ancestor(first, first)
    assert not repository.is_ancestor(second, first)
    assert repository.has(first) and not repository.has("a" * 40)
    verify(repository.path)


def test_what_a_revision_says_of_itself(repository: Repository) -> None:
    note = repository.note(commit(repository, NULL, {b"a": b"1"}))
    assert (note.message.strip(), note.user, note.at) == ("what: \u00e9", "root@bar", 1_700_000_000)


def test_a_clone_looks_natural(repository: Repository, tmp_path: Path) -> None:
    node = commit(
        repository, NULL,
        {b"etc/passwd": b"root\n", b"run": Blob(b"#!", is_executable=True), b"l": Blob(b"etc", is_link=True),
         b"caf\xc3\xa9": b"1", b".pacha%a%0Ab": b"2"},
    )  # fmt: skip
    run_hg("clone", "-q", repository.path, str(tmp_path / "clone"))
    assert (tmp_path / "clone/etc/passwd").read_text() == "root\n"
    assert os.access(tmp_path / "clone/run", os.X_OK)
    assert os.readlink(tmp_path / "clone/l") == "etc"
    assert run_hg("-R", str(tmp_path / "clone"), "log", "-T", "{node}") == node


def test_no_difference_gives_the_parent_back(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1", b"b": b"2"})
    size = os.path.getsize(f"{repository.path}/.hg/store/00changelog.i")
    assert commit(repository, first, {b"a": b"1"}) == first
    assert commit(repository, first, {}, (b"never-there",)) == first
    assert commit(repository, first, {}) == first
    assert repository.heads() == (first,)
    assert os.path.getsize(f"{repository.path}/.hg/store/00changelog.i") == size
    second = commit(repository, first, {b"a": b"3"})
    assert contents(repository, second) == {b"a": b"3", b"b": b"2"}
    verify(repository.path)


@pytest.mark.parametrize("files", [{b"x/y": b"2"}, {b"x/y/z": b"2", b"x/a": b"1"}])
def test_a_file_becomes_a_directory_and_a_file_again(repository: Repository, files: dict[bytes, bytes]) -> None:
    first = commit(repository, NULL, {b"x": b"1"})
    second = commit(repository, first, files, (b"x",))
    assert contents(repository, second) == files
    third = commit(repository, second, {b"x": Blob(b"t", is_link=True)}, tuple(files))
    assert contents(repository, third) == {b"x": b"t"}
    verify(repository.path)


def test_everything_removed(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1", b"d/b": b"2"})
    second = commit(repository, first, {}, (b"a", b"d/b"))
    assert repository.names(second) == {}
    assert contents(repository, commit(repository, second, {b"a": b"1"})) == {b"a": b"1"}
    verify(repository.path)


def test_content_that_begins_like_mercurials_own_metadata(repository: Repository) -> None:
    data = b"\x01\ncopy: /etc/shadow\ncopyrev: 0\n\x01\nx"
    node = commit(repository, NULL, {b"a": data})
    assert contents(Repository.open(repository.path), node) == {b"a": data}


def test_odd_names_and_many_levels(repository: Repository) -> None:
    files = {b"x" * 255: b"1", b"/".join([b"n" * 40] * 100): b"2", b"\xff\xfe \\": b"3", b"CON": b"4",
        b"con ": b"5", b"A": b"6",
             b"a": b"7", b"data/x.i": b"8", b"x.i": b"9", b"x.d/y": b"10"}  # fmt: skip
    node = commit(repository, NULL, files)
    assert contents(Repository.open(repository.path), node) == files
    verify(repository.path)


@pytest.mark.parametrize("failure", [hg.Interruption("stop"), KeyboardInterrupt(), OSError(5, "Input/output error")])
def test_what_content_raises_ends_the_commit_and_nothing_is_committed(
    repository: Repository, failure: BaseException
) -> None:
    first = commit(repository, NULL, {b"a": b"1"})

    def content(name: bytes) -> Blob:
        if name == b"b":
            raise failure
        return Blob(b"2")

    expected = PachaError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected):
        repository.commit(first, [b"a", b"b", b"c"], [], content, NOTE)
    assert repository.heads() == (first,)
    assert not os.path.exists(f"{repository.path}/.hg/store/journal")
    second = commit(repository, first, {b"a": b"3"})
    assert contents(repository, second) == {b"a": b"3"}
    verify(repository.path)


# -- crashes and locks

KILLED = """
import os, signal, sys
from pacha.store.hg import Blob, NULL, Note, Repository
def content(name):
    if name == b"m":
        os.kill(os.getpid(), signal.SIGKILL)
    return Blob(b"new")
repository = Repository.open(sys.argv[1])
repository.commit(repository.heads()[0], [b"a", b"m", b"z"], [], content, Note("m", "u", 1.0))
"""


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT, check=False)


def test_an_abandoned_transaction_is_rolled_back(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1"})
    done = python(KILLED, repository.path)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert os.path.exists(f"{repository.path}/.hg/store/journal"), "the crash left nothing to heal"
    healed = Repository.open(repository.path)
    assert not os.path.exists(f"{repository.path}/.hg/store/journal")
    assert healed.heads() == (first,)
    second = commit(healed, first, {b"a": b"2", b"m": b"3"})
    assert contents(healed, second) == {b"a": b"2", b"m": b"3"}
    verify(repository.path)


def lock_of(repository: Repository) -> str:
    return f"{repository.path}/.hg/store/lock"


def test_a_lock_held_is_named_in_bounded_time(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    assert runtime._LOCK_SECONDS <= 60
    monkeypatch.setattr(runtime, "_LOCK_SECONDS", 1)
    first = commit(repository, NULL, {b"a": b"1"})
    os.symlink("elsewhere.example:4711", lock_of(repository))
    opened = Repository.open(repository.path)
    assert contents(opened, first) == {b"a": b"1"}, "reading needs no lock"
    began = time.monotonic()
    with pytest.raises(PachaError) as caught:
        commit(opened, first, {b"a": b"2"})
    assert 0.5 < time.monotonic() - began < 10
    assert "elsewhere.example:4711" in caught.value.why and not isinstance(caught.value, DamagedError)
    os.unlink(lock_of(repository))
    assert commit(opened, first, {b"a": b"2"}) != first


def test_a_lock_of_a_dead_process_is_no_hindrance(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1"})
    dead = subprocess.Popen(["true"])
    dead.wait()
    from mercurial import lock

    os.symlink(f"{os.fsdecode(lock._getlockprefix())}:{dead.pid}", lock_of(repository))
    assert socket.gethostname() in os.readlink(lock_of(repository))
    assert commit(repository, first, {b"a": b"2"}) != first


# -- damage


def store_files(repository: Repository) -> list[Path]:
    store = Path(repository.path, ".hg/store")
    return sorted(p for p in store.rglob("*") if (p.is_file() and p.suffix in (".i", ".d")) or p.name == "fncache")


def read_all(path: str, node: str) -> dict[bytes, bytes]:
    repository = Repository.open(path)
    if not repository.has(node):
        raise DamagedError("it is not there", code="it-is-gone")
    repository.note(node)
    return contents(repository, node)


@pytest.mark.parametrize("how", ["flip", "truncate", "empty", "zeros", "missing"])
def test_damage_is_found_or_harmless(repository: Repository, how: str) -> None:
    files = {b"a": b"text\n" * 50, b"d/b": os.urandom(200_000), b"c": b""}
    node = commit(repository, commit(repository, NULL, {b"a": b"text\n" * 40}), files)
    whole = contents(repository, node)
    found = 0
    for path in store_files(repository):
        data = path.read_bytes()
        places = [0, 3, len(data) // 3, len(data) // 2, len(data) - 1] if how == "flip" else [len(data) // 2]
        for place in places:
            damaged = bytearray(data)
            if how == "flip":
                damaged[place] ^= 0x10
            elif how in ("truncate", "empty"):
                del damaged[place if how == "truncate" else 0 :]
            elif how == "zeros":
                damaged[place:] = bytes(len(data) - place)
            path.write_bytes(damaged)
            if how == "missing":
                path.unlink()
            try:
                assert read_all(repository.path, node) == whole
            except PachaError:
                found += 1
            path.write_bytes(data)
    assert found >= 3
    assert read_all(repository.path, node) == whole


def test_what_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "none"):
        with pytest.raises(PachaError):
            Repository.open(str(tmp_path / name))


def test_a_format_that_is_not_known_is_refused(repository: Repository) -> None:
    with open(f"{repository.path}/.hg/requires", "a") as stream:
        stream.write("exp-of-the-future\n")
    with pytest.raises(PachaError) as caught:
        Repository.open(repository.path)
    assert "exp-of-the-future" in caught.value.why


# -- taking over a store that was copied


def test_a_store_ends_with_its_last_revision_and_no_other(repository: Repository) -> None:
    assert not repository.ends_with(NULL)
    first = commit(repository, NULL, {b"a": b"1"})
    assert repository.is_plain() and repository.ends_with(first)
    second = commit(repository, first, {b"a": b"2", b"b": b"3"})
    assert repository.ends_with(second) and not repository.ends_with(first)
    commit(repository, first, {b"c": b"4"})
    assert not repository.ends_with(second)
    assert not repository.ends_with(next(repository.revisions())), "it has two heads"


@pytest.mark.parametrize("torn", ["data/a.i", "00manifest.i"])
def test_a_store_copied_while_a_push_wrote_to_it_is_seen(repository: Repository, tmp_path: Path, torn: str) -> None:
    first = commit(repository, NULL, {b"a": b"1"})
    copy = tmp_path / "copy"
    shutil.copytree(repository.path, copy)
    commit(repository, first, {b"a": b"2"})
    shutil.copyfile(Path(repository.path, ".hg/store", torn), copy / ".hg/store" / torn)
    assert not Repository.open(str(copy)).ends_with(first)


def test_a_store_that_was_moved_is_whole_and_goes_on(repository: Repository, tmp_path: Path) -> None:
    first = commit(repository, NULL, {b"a": b"1", b"d/b": b"2"})
    target = str(tmp_path / "state" / "repos" / "foo")
    os.makedirs(os.path.join(os.path.dirname(target), ".new-foo", "left"))
    Path(repository.path, ".hg/store/phaseroots").write_text(f"2 {first}\n")  # secret: it would never be sent again
    install(repository.path, target)
    moved = Repository.open(target)
    second = commit(moved, first, {b"a": b"3"})
    assert contents(moved, second) == {b"a": b"3", b"d/b": b"2"}
    verify(target)
    assert run_hg("-R", target, "log", "-T", "{phase} ").split() == ["draft", "public"]
    assert os.listdir(os.path.dirname(target)) == ["foo"] and not os.path.exists(repository.path)
