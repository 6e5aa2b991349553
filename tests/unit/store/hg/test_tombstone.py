from __future__ import annotations

from pathlib import Path

from pacha.store.hg import NULL, Repository, tombstone
from tests.support.committing import commit


def test_only_a_tombstone_is_one(tmp_path: Path) -> None:
    repository = Repository.open(str(tmp_path / "one"), create=True)
    first = commit(repository, NULL, {b"small": b"SECRET\n"})
    commit(repository, first, {b"small": tombstone.TEXT})
    [old, _] = repository.file_revisions(lambda name: True)
    repository.erase({b"small": {old.node}})
    log = Repository.open(repository.path)._repo.file(b"small")._revlog
    assert [tombstone.is_tombstone(log, number) for number in log] == [True, False]


def test_a_file_that_looks_like_one_is_kept(tmp_path: Path) -> None:
    repository = Repository.open(str(tmp_path / "one"), create=True)
    node = commit(repository, NULL, {b"small": tombstone.TEXT})
    assert repository.reader(node)(b"small") == tombstone.TEXT
