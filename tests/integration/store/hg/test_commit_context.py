"""What is committed is read when it is needed, and not kept."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from pacha.store.hg import NULL, Blob, Repository
from tests.support.committing import NOTE, commit, contents, verify

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repos/foo"), create=True)


def test_content_is_asked_once_for_each_name_in_sorted_order(repository: Repository) -> None:
    first = commit(repository, NULL, {b"m": b"old", b"same": b"same", b"gone": b"x"})
    asked: list[bytes] = []

    def content(name: bytes) -> Blob:
        asked.append(name)
        return Blob(b"same" if name == b"same" else b"new " + name)

    written = [b"z", b"m", b"a/b", b"a", b"a.b", b"same", b"a-b", b"\xff"]
    written.remove(b"a")
    repository.commit(first, written, [b"gone"], content, NOTE)
    assert asked == sorted(written)


def test_a_name_that_is_gone_after_all(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1", b"b": b"2"})
    second = commit(repository, first, {b"a": None, b"new": None, b"b": b"3"})
    assert contents(repository, second) == {b"b": b"3"}
    third = commit(repository, second, {b"b": None, b"c": b"1"})
    assert contents(repository, third) == {b"c": b"1"}
    verify(repository.path)


def test_a_change_of_flags_alone_is_a_difference(repository: Repository) -> None:
    first = commit(repository, NULL, {b"a": b"1"})
    second = commit(repository, first, {b"a": Blob(b"1", is_executable=True)})
    third = commit(repository, second, {b"a": Blob(b"1", is_link=True)})
    assert len({first, second, third}) == 3
    assert repository.names(third)[b"a"][20:] == b"l"


def test_content_is_not_kept_in_memory(repository: Repository) -> None:
    size, count = 1 << 20, 40
    chunk = os.urandom(size - 8)
    tracemalloc.start()
    try:
        repository.commit(NULL, [b"%04d" % n for n in range(count)], [], lambda n: Blob(n * 2 + chunk), NOTE)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < count * size // 2
