"""File logs are opened directly, for reading alone; everything else is left to Mercurial's own file system."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pacha.store.hg import NULL, Repository
from pacha.store.hg.plain_reading import plainly
from tests.support.committing import commit

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository.open(str(tmp_path / "foo"), create=True)
    commit(made, NULL, {b"a": b"one", b"b" * 200: b"two"})
    return made


def test_logs_are_read_without_a_buffer_and_once_is_enough(repository: Repository) -> None:
    store = repository._repo.store.vfs
    plainly(repository._repo)
    plain = store.vfs
    plainly(repository._repo)
    assert store.vfs is plain
    with store(b"data/a.i") as stream:
        assert isinstance(stream, io.FileIO) and stream.read()
    [hashed] = [name for name in repository._repo.store.fncache if name.startswith(b"data/bbb")]
    with store(hashed) as stream:
        assert isinstance(stream, io.FileIO) and stream.read()


def test_other_files_and_writing_are_mercurials(repository: Repository) -> None:
    plainly(repository._repo)
    store = repository._repo.store.vfs
    for name, mode in ((b"fncache", b"rb"), (b"data/a.i", b"ab")):
        with store(name, mode) as stream:
            assert not isinstance(stream, io.FileIO)
