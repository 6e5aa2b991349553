"""Logs of a store that another Mercurial made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.hg.revlog import OneRevisionReader
from tests.support.mercurial import run_hg

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
NOTE = Note("one", "root@bar", 1_700_000_000.0)
LONG = b"f" * 200
ONE = {
    b"empty": b"", b"few": b"\0\1\2", b"many": b"line\n" * 1000, b"u": b"u" * 3, b"zero": bytes(1 << 20),
    b"noise": os.urandom(9_000), b"x": b"x\x9c" + os.urandom(20), b"d/E.i/g": b"1", LONG + b"/" + LONG: b"long",
    b"caf\xc3\xa9 ": b"2", b"aux.hg/con": b"3", b".pacha%a": b"4", b"zstd": b"\x28\xb5\x2f\xfd",
}  # fmt: skip


OTHERWISE = {b"meta": b"\1\nwhat: ever\n\1\n", b"large": os.urandom(300_000), b"later": b"later\n" * 40}


def commit(repository: Repository, parent: str, files: dict[bytes, bytes]) -> str:
    return repository.commit(parent, files, [], lambda name: Blob(files[name]), NOTE)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository.open(str(tmp_path_factory.mktemp("single") / "foo"), create=True)
    first = commit(made, NULL, {**ONE, **OTHERWISE})
    commit(made, first, {b"later": b"now\n", b"both": b"of them\n"})
    return made


def test_a_store_that_does_not_encode_its_names_is_left_to_mercurial(tmp_path: Path, repository: Repository) -> None:
    node = repository.heads()[0]
    run_hg("clone", "-U", "-q", "--pull", "--config", "format.usefncache=no", repository.path, str(tmp_path / "foo"))
    made = Repository.open(str(tmp_path / "foo"))
    assert OneRevisionReader(made._repo).get(b"few") is None
    assert made.reader(node)(b"few") == ONE[b"few"]
