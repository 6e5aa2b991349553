"""Logs of one revision, read without Mercurial's own object: the very same bytes, or left to Mercurial."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacha.errors import DamagedError
from pacha.store.hg import NULL, Repository
from pacha.store.hg.revlog import OneRevisionReader
from pacha.store.revision import ENTRY, INLINE, hashed
from tests.support.one_revision import ONE, OTHERWISE, commit, one_revision_repository  # noqa: F401

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def singles(repository: Repository) -> Iterator[OneRevisionReader]:
    yield OneRevisionReader.of(repository._repo)


def test_most_logs_are_read_in_one_go(repository: Repository, singles: OneRevisionReader) -> None:
    newest, first = repository.revisions()
    for name, data in {**ONE, b"both": b"of them\n"}.items():
        found = singles.get(name)
        assert found is not None and found.text == data, name
        assert (found.node, found.link) == (repository.names(newest)[name], int(name == b"both"))
        assert repository.reader(newest)(name) == data
    for name, data in OTHERWISE.items():
        assert singles.get(name) is None, name
        assert repository.reader(first)(name) == data
    assert singles.get(b"none") is None
    assert repository.reader(newest)(b"later") == b"now\n"


def test_a_log_of_another_revision_than_the_manifest_names_is_left_to_mercurial(
    tmp_path: Path, repository: Repository
) -> None:
    """A log from elsewhere, whole in itself, in the place of ours."""
    made = Repository.open(str(tmp_path / "foo"), create=True)
    node = commit(made, NULL, {b"a": b"1", b"b": b"2"})
    store = tmp_path / "foo/.hg/store/data"
    (store / "a.i").write_bytes((store / "b.i").read_bytes())
    with pytest.raises(DamagedError):
        Repository.open(made.path).reader(node)(b"a")


def test_what_belongs_to_no_revision_is_noticed(tmp_path: Path) -> None:
    """The log of a file that came with a push whose changelog is not here."""
    made = Repository.open(str(tmp_path / "foo"), create=True)
    node = commit(made, NULL, {b"a": b"1"})
    index = tmp_path / "foo/.hg/store/data/a.i"
    data = index.read_bytes()
    index.write_bytes(data[:20] + (7).to_bytes(4, "big") + data[24:])
    read = Repository.open(made.path).reader(node)
    assert read(b"a") == b"1" and read.beyond


def test_what_follows_the_longest_log_is_noticed(tmp_path: Path) -> None:
    text = os.urandom((256 << 10) - 1)
    entry = ENTRY.pack(INLINE, 0, 0, len(text) + 1, len(text), 0, 0, -1, -1, hashed(text))
    (tmp_path / ".hg/store").mkdir(parents=True)
    log = tmp_path / ".hg/store/a.i"
    log.write_bytes(entry + b"u" + text)
    found = OneRevisionReader.of_plain(str(tmp_path)).at(b"a.i")
    assert found is not None and found.text == text
    log.write_bytes(entry + b"u" + text + bytes(64))
    assert OneRevisionReader.of_plain(str(tmp_path)).at(b"a.i") is None


@pytest.mark.parametrize("data", [b"", b"1", b"some text\n" * 30, os.urandom(200)])
def test_every_bit_that_differs_is_noticed(tmp_path: Path, data: bytes) -> None:
    """One byte another, or one less or more: what is read is what was written, or nothing."""
    made = Repository.open(str(tmp_path / "foo"), create=True)
    commit(made, NULL, {b"a": data})
    index, singles = tmp_path / "foo/.hg/store/data/a.i", OneRevisionReader.of(made._repo)
    whole = index.read_bytes()
    bent = [whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :] for at in range(len(whole)) for bit in (1, 0x80)]
    for other in (*bent, whole[:-1], whole + b"\0", whole[:63], whole * 2, b""):
        index.write_bytes(other)
        found = singles.get(b"a")
        assert found is None or found.text == data


TEXTS = st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(max_size=20), st.integers(0, 99))


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([b"a", b"B/c", b"d.d/e"]), TEXTS, min_size=1))
@settings(max_examples=60)
def test_all_texts_come_back(tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, bytes]) -> None:
    made = Repository.open(str(tmp_path_factory.mktemp("texts") / "foo"), create=True)
    node = commit(made, NULL, files)
    singles, read = OneRevisionReader.of(made._repo), made.reader(node)
    for name, data in files.items():
        assert read(name) == data
        found: Any = singles.get(name)
        assert data.startswith(b"\1\n") if found is None else found.text == data
