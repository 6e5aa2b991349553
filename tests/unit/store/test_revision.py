"""The format that is asked for is the one that Mercurial makes, and that ``store.hg`` reads by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.store.hg import Repository
from pacha.store.revision import KNOWN_REQUIREMENTS, NULL, PLAIN, Blob, Note

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def requirements(repository: Path) -> set[bytes]:
    return {
        line for name in ("requires", "store/requires") for line in (repository / ".hg" / name).read_bytes().split()
    }


def test_a_repository_of_ours_has_the_plain_requirements(tmp_path: Path) -> None:
    Repository.open(str(tmp_path / "etc"), create=True)
    assert requirements(tmp_path / "etc") == PLAIN
    assert set((tmp_path / "etc/.hg/store/requires").read_bytes().split()) <= KNOWN_REQUIREMENTS


def test_null_is_the_parent_of_the_first_and_no_revision_itself(tmp_path: Path) -> None:
    repository = Repository.open(str(tmp_path / "etc"), create=True)
    first = repository.commit(NULL, [b"a"], [], lambda name: Blob(b"1"), Note("one", "root@bar", 1.0))
    assert first != NULL and list(repository.revisions()) == [first]
    assert not repository.names(NULL)


def test_what_is_made_without_mercurial_is_plain_content() -> None:
    blob = Blob(b"1")
    assert not blob.is_link and not blob.is_executable
