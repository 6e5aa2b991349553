"""A repository most of whose file logs hold one revision."""

from __future__ import annotations

import os

import pytest

from pacha.store.hg import NULL, Blob, Note, Repository

NOTE = Note("one", "root@bar", 1_700_000_000.0)
LONG = b"f" * 200
ONE = {
    b"empty": b"", b"few": b"\0\1\2", b"many": b"line\n" * 1000, b"u": b"u" * 3, b"zero": bytes(1 << 20),
    b"noise": os.urandom(9_000), b"x": b"x\x9c" + os.urandom(20), b"d/E.i/g": b"1", LONG + b"/" + LONG: b"long",
    b"caf\xc3\xa9 ": b"2", b"aux.hg/con": b"3", b".pacha%a": b"4", b"zstd": b"\x28\xb5\x2f\xfd",
}  # fmt: skip
OTHERWISE = {b"meta": b"\1\nwhat: ever\n\1\n", b"large": os.urandom(300_000), b"later": b"later\n" * 40}


def commit(repository: Repository, parent: str, files: dict[bytes, bytes]) -> str:
    """Commit ``files`` on ``parent``; return the node."""
    return repository.commit(parent, files, [], lambda name: Blob(files[name]), NOTE)


@pytest.fixture(name="repository", scope="module")
def one_revision_repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository of two revisions: the files of ``ONE`` have a log of one revision, ``OTHERWISE`` have another."""
    made = Repository.open(str(tmp_path_factory.mktemp("single") / "foo"), create=True)
    first = commit(made, NULL, {**ONE, **OTHERWISE})
    commit(made, first, {b"later": b"now\n", b"both": b"of them\n"})
    return made
