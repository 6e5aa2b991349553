"""Logs of a store that another Mercurial made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.store.hg import Repository
from pacha.store.hg.revlog import OneRevisionReader
from tests.support.mercurial import run_hg
from tests.support.one_revision import ONE, one_revision_repository  # noqa: F401

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_a_store_that_does_not_encode_its_names_is_left_to_mercurial(tmp_path: Path, repository: Repository) -> None:
    node = repository.heads()[0]
    run_hg("clone", "-U", "-q", "--pull", "--config", "format.usefncache=no", repository.path, str(tmp_path / "foo"))
    made = Repository.open(str(tmp_path / "foo"))
    assert OneRevisionReader.of(made._repo).get(b"few") is None
    assert made.reader(node)(b"few") == ONE[b"few"]
