"""A repository that is opened only when it has to be says what an opened one says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.store import hg
from pacha.store.hg import NULL, Repository, open_lazily
from tests.support.committing import commit, contents, verify

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_heads_are_told_whatever_there_is(tmp_path: Path) -> None:
    path = str(tmp_path / "foo")
    assert open_lazily(path).heads() == () and not (tmp_path / "foo").exists()
    Repository.open(path, create=True)
    light = open_lazily(path)
    assert light.heads() == ()
    first = commit(light, NULL, {b"a": b"1"})
    assert light.heads() == open_lazily(path).heads() == Repository.open(path).heads() == (first,)
    second = commit(open_lazily(path), first, {b"b": b"2"})
    assert open_lazily(path).heads() == (second,)
    assert contents(open_lazily(path), second) == {b"a": b"1", b"b": b"2"}
    verify(path)


def test_an_unfinished_transaction_is_rolled_back(tmp_path: Path) -> None:
    path = str(tmp_path / "foo")
    node = commit(open_lazily(path), NULL, {b"a": b"1"})
    (tmp_path / "foo/.hg/store/data/b.i").write_bytes(b"half")
    (tmp_path / "foo/.hg/store/journal").write_bytes(b"data/b.i\x000\n")
    assert open_lazily(path).heads() == (node,)
    assert not list((tmp_path / "foo/.hg/store").glob("**/[bj]*"))


def test_an_index_that_is_none_is_damaged(tmp_path: Path) -> None:
    commit(made := open_lazily(str(tmp_path / "foo")), NULL, {b"a": b"1"})
    (tmp_path / "foo/.hg/store/00changelog.i").write_bytes(b"\xff" * 64)
    with pytest.raises(DamagedError):
        open_lazily(made.path).heads()


def test_a_mercurial_without_its_c_parts_commits_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pacha.store.hg.first_commit", None)
    monkeypatch.delitem(vars(hg), "make_repository", raising=False)
    made = open_lazily(str(tmp_path / "foo"))
    assert contents(made, commit(made, NULL, {b"a": b"1"})) == {b"a": b"1"}


def test_a_first_commit_imports_hardly_anything_of_mercurial(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pacha.store import hg\nrepository = hg.open_lazily(sys.argv[1])\n"
        "repository.commit(hg.NULL, [b'a'], [], lambda name: hg.Blob(b'1'), hg.Note('m', 'u', 0.0))\n"
        "assert len(repository.heads()[0]) == 40\n"
        "print(*sorted(name for name in sys.modules if name.startswith('mercurial')))"
    )
    told = subprocess.run([sys.executable, "-c", script, tmp_path / "foo"], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["mercurial", "mercurial.cext", "mercurial.cext.parsers", "mercurial.zstd"]
    verify(str(tmp_path / "foo"))
