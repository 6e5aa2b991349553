"""The files of a repository that two processes write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.store.hg.new_store import Log, NewStore, names_of
from pacha.store.revision import Blob

LONG = b"d.i/" + b"long" * 50  #: Mercurial shortens it


@pytest.fixture(name="path")
def begun(tmp_path: Path) -> bytes:
    path = os.fsencode(tmp_path / "foo")
    os.mkdir(path)
    NewStore(path).begin()
    return path


def files(path: bytes) -> set[str]:
    store = Path(os.fsdecode(path)) / ".hg/store"
    return {str(file.relative_to(store)) for file in (*store.glob("data/**/*.[id]"), *store.glob("dh/**/*.[id]"))}


def test_each_is_told_of_by_whoever_keeps_the_list(path: bytes) -> None:
    told: list[bytes] = []
    first, second = NewStore(path, told.append), NewStore(path)
    blobs = {b"a/b": Blob(b"1"), b"a/c": Blob(os.urandom(200_000), is_executable=True), LONG: Blob(b"2", is_link=True)}
    logs = {name: second.add_file(name, blob) for name, blob in blobs.items()}
    assert [(log.flags, log.is_apart) for log in logs.values()] == [(b"", False), (b"x", True), (b"l", False)]
    assert told == []
    for name, log in logs.items():
        first.accept(name, log)
    assert {os.fsdecode(name) for name in told} == files(path) and len(told) == 4
    assert told[1:3] == [b"data/a/c.d", b"data/a/c.i"] and first.add_file(b"a/d", Blob(b"1")) == logs[b"a/b"]
    assert told[4:] == [b"data/a/d.i"]


@pytest.mark.parametrize("name", [b"a", LONG])
@pytest.mark.parametrize("size", [0, 10, 200_000])
def test_what_another_left_is_written_again(path: bytes, name: bytes, size: int) -> None:
    store = NewStore(path)
    store.discard(name)
    log = store.add_file(name, blob := Blob(os.urandom(size)))
    with pytest.raises(FileExistsError):
        store.add_file(name, blob)
    store.discard(name)
    assert files(path) == set() and store.add_file(name, blob) == log


def test_the_names_of_a_log_are_those_of_the_list() -> None:
    assert names_of(b"a", Log(b"")) == (b"data/a.i",)
    assert names_of(b"a", Log(b"", is_apart=True)) == (b"data/a.d", b"data/a.i")
