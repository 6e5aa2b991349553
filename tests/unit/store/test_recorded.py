"""Entries that are read when one is asked for."""

from __future__ import annotations

import random

import pytest

from pacha.errors import PachaError
from pacha.files.amended import Amended
from pacha.files.entry import Entry, Kind
from pacha.store.recorded import Recorded, Summary, may_be_sealed, summary_of
from tests.support.entries import entry_at

ENTRIES = {path: entry_at(path, size=5) for path in (b"/w/a", b"/w/b")}


def test_nothing_is_read_for_what_is_known_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read() -> dict[bytes, Entry]:
        asked.append("read")
        return ENTRIES

    recorded = Recorded(2, Summary.of(ENTRIES.values()), read)
    assert len(recorded) == 2 and summary_of(recorded).size == 10 and not may_be_sealed(recorded) and not asked
    assert recorded.get(b"/w/a") is ENTRIES[b"/w/a"] and recorded.get(b"/w/c") is None and recorded.get(b"/", 5) == 5
    assert recorded[b"/w/b"] is ENTRIES[b"/w/b"] and b"/w/c" not in recorded and recorded == ENTRIES
    assert asked == ["read"]


def test_what_cannot_be_read_is_an_error_and_not_nothing() -> None:
    def read() -> dict[bytes, Entry]:
        raise PachaError("no", "why", "hint", code="database-unreadable")

    recorded = Recorded(2, Summary.of(()), read)
    for _ in range(2):
        with pytest.raises(PachaError):
            recorded.get(b"/w/a")


def test_a_few_entries_are_looked_up_and_more_are_read_at_once() -> None:
    every = {path: entry_at(path) for path in (b"/w/%d" % number for number in range(20))}
    asked: list[bytes] = []

    def find(path: bytes) -> Entry | None:
        asked.append(path)
        return every[path]._replace() if path in every else None

    recorded = Recorded(20, Summary.of(every.values()), lambda: asked.append(b"all") or dict(every), find)  # type: ignore
    first = recorded[b"/w/1"]
    assert recorded.get(b"/w/1") is first and recorded.get(b"/w/x") is recorded.get(b"/w/x") is None
    assert asked == [b"/w/1", b"/w/x"]
    assert all(recorded[path] == entry for path, entry in every.items())
    assert asked.count(b"all") == 1 and len(asked) < 12
    assert recorded[b"/w/1"] is first and recorded.entries[b"/w/1"] is first, "each entry stays one object"


def test_a_summary_of_amended_entries_is_that_of_all_of_them() -> None:
    choose = random.Random(5)
    for _ in range(300):
        every = {path: _any(choose, path) for path in (b"/w/%d" % number for number in range(6))}
        changed = {
            path: _any(choose, path) for path in (b"/w/%d" % number for number in range(9)) if choose.random() < 0.3
        }
        removed = frozenset(path for path in every if path not in changed and choose.random() < 0.2)
        recorded = Recorded(6, Summary.of(every.values()), lambda every=every: dict(every))  # type: ignore
        amended = Amended(recorded, changed, removed)
        assert summary_of(amended) == Summary.of(dict(amended).values())


def _any(choose: random.Random, path: bytes) -> Entry:
    xattrs = choose.choice([(), (), ((b"user.a", b"1"),)])
    return entry_at(path, size=choose.randrange(9), owner=choose.choice([b"a", b"b"]), xattrs=xattrs)


def test_a_summary_tells_files_owners_and_attributes() -> None:
    folder = entry_at(b"/w", kind=Kind.DIRECTORY, sha256=None, size=0, owner=None, uid=77)
    marked = ENTRIES[b"/w/a"]._replace(xattrs=((b"user.a", b"1"),))
    found = Summary.of([folder, marked, ENTRIES[b"/w/b"]])
    assert (found.files, found.size, found.xattrs) == (2, 10, {((b"user.a", b"1"),)})
    assert found.owners == {(each.uid, each.owner, each.gid, each.group) for each in (folder, marked)}
    assert not may_be_sealed(Amended(Recorded(0, found, dict), {marked.path: marked}))
    assert may_be_sealed(Amended(Recorded(0, found, dict), {marked.path: marked._replace(sealed=b"")}))
    assert may_be_sealed(ENTRIES) and summary_of(ENTRIES) == Summary.of(ENTRIES.values())
