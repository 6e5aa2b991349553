"""Reading the files of one revision."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.store.hg import NULL, Repository
from tests.support.committing import commit

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repos/foo"), create=True)


def test_a_damaged_revision_names_the_repository(repository: Repository) -> None:
    node = commit(repository, NULL, {b"a": os.urandom(5000)})
    path = Path(repository.path, ".hg/store/data/a.i")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=r"repos/foo") as caught:
        Repository.open(repository.path).reader(node)(b"a")
    assert caught.value.why and caught.value.message.isprintable() and caught.value.why.isprintable()


@pytest.mark.parametrize("node", ["f" * 40, NULL])
def test_a_node_or_a_name_that_is_not_there(repository: Repository, node: str) -> None:
    commit(repository, NULL, {b"a": b"1"})
    with pytest.raises(DamagedError):
        repository.reader(node)(b"a")
    with pytest.raises(DamagedError):
        repository.reader(repository.heads()[0])(b"none")


def test_what_a_revision_names_is_a_file_revision_that_came_with_it_or_before(repository: Repository) -> None:
    node = commit(repository, NULL, {b"a": b"1", b"b": b"2"})
    files, read = repository.names(node), repository.reader(node)
    assert read.names(b"a", files[b"a"], 0)
    assert not read.names(b"a", files[b"a"], 1), "of a push that is not complete"
    assert not read.names(b"a", files[b"b"], 0) and not read.names(b"c", files[b"a"], 0)
