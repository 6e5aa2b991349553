"""What every kind of master has in common: what of a store is history, and what a key may do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from pacha.errors import UnreachableError
from pacha.wire.master import (
    PUSH,
    REBUILD,
    CannotStream,
    Probe,
    TemporaryRepository,
    check_may_push,
    check_may_read,
    digest_of,
    is_store_file,
    store_files,
)


@pytest.mark.parametrize(
    "path", [b"00changelog.i", b"00changelog.n", b"00manifest.d", b"fncache", b"phaseroots", b"requires",
    b"data/a/b.i", b"dh/x", b"meta/x/00manifest.i"],
)  # fmt: skip
def test_what_is_part_of_a_history(path: bytes) -> None:
    assert is_store_file(path, False)


@pytest.mark.parametrize(
    "path", [b"lock", b"undo", b"journal", b"journal.00changelog.i", b"undo.phaseroots", b"data", b"hgrc", b"00other.i",
    b"database/x", b"", b"cache/x", b"00changelogs"],
)  # fmt: skip
def test_what_is_not(path: bytes) -> None:
    assert not is_store_file(path, False)


def test_folders_are_those_of_the_history() -> None:
    folders = {
        name: is_store_file(name, True) for name in (b"data", b"data/a", b"dh", b"meta", b"cache", b"00changelog.")
    }
    assert [name for name, taken in folders.items() if taken] == [b"data", b"data/a", b"dh", b"meta"]


def test_a_digest_of_a_file_and_of_none(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\0x")
    assert digest_of(os.fsencode(tmp_path / "f")) == hashlib.sha256(b"\0x").hexdigest()
    assert digest_of(os.fsencode(tmp_path / "none")) is None


def test_a_key_does_what_it_may() -> None:
    check_may_push("bar", Probe(0.0, None))
    check_may_read("bar", frozenset([REBUILD]))
    with pytest.raises(UnreachableError) as push:
        check_may_push("bar", Probe(0.0, None, frozenset([REBUILD])))
    with pytest.raises(UnreachableError) as rebuild:
        check_may_read("bar", frozenset([PUSH]))
    assert (push.value.code, rebuild.value.code) == ("key-cannot-push", "key-cannot-rebuild")


def test_a_temporary_one_is_filled_when_all_was_sent() -> None:
    def refuse(path: str, names: Iterable[bytes]) -> None:
        raise CannotStream

    def send(path: str, names: Iterable[bytes]) -> None:
        sent.extend(names)

    sent: list[bytes] = []
    whole, none = TemporaryRepository(send), TemporaryRepository(refuse)
    whole.fill("/r", [b"data/a.i", b"phaseroots", b"undo", b"../requires", b"00changelog.i"])
    with pytest.raises(CannotStream):
        none.fill("/r")
    assert (sent, whole.filled, none.filled) == ([b"data/a.i", b"00changelog.i"], True, False)


def test_the_files_of_a_history_are_listed_with_the_changelog_last(tmp_path: Path) -> None:
    store = tmp_path / ".hg/store"
    (store / "data/a").mkdir(parents=True)
    for name in ("00changelog.i", "00changelog.d", "00manifest.i", "data/a/b.i", "fncache", "lock", "undo"):
        (store / name).touch()
    names = list(store_files(str(tmp_path)))
    assert names[-2:] == [b"00changelog.d", b"00changelog.i"]
    assert sorted(names[:-2]) == [b"00manifest.i", b"data/a/b.i", b"fncache"]
    with pytest.raises(CannotStream):
        list(store_files(str(tmp_path / "none")))
