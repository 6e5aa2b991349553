"""Commits to a repository of ours, and what the system's own hg says of them."""

from __future__ import annotations

from collections.abc import Mapping

from pacha.store.hg import Blob, Note, Repository
from tests.support.mercurial import run_hg

NOTE = Note("what: \u00e9\n", "root@bar", 1_700_000_000.0)


def commit(
    repository: Repository, parent: str, files: Mapping[bytes, bytes | Blob | None], removed: tuple[bytes, ...] = ()
) -> str:
    blobs = {name: Blob(data) if isinstance(data, bytes) else data for name, data in files.items()}
    return repository.commit(parent, blobs, removed, blobs.__getitem__, NOTE)


def contents(repository: Repository, node: str) -> dict[bytes, bytes]:
    read = repository.reader(node)
    return {name: read(name) for name in repository.names(node)}


def verify(path: str) -> None:
    run_hg("-R", path, "verify")
