"""The statement of a snapshot: its text, and how it is found in a revision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacha.errors import DamagedError, PurgedError
from pacha.store import statement
from pacha.store.statement import Statement
from pacha.system.signed_text import digest

ONE = Statement(host="bar", counter=3, at=1_790_000_000, database=digest(b"db"), before=digest(b"before"))


def test_it_is_written_as_the_manual_says_and_read_back() -> None:
    text = statement.encode(ONE)
    lines = text.decode().splitlines()
    assert lines[:4] == ["pacha-snapshot 1", "host bar", "counter 3", "time 2026-09-21T14:13:20Z"]
    assert lines[4:] == [f"pacha.db {digest(b'db')}", f"before {digest(b'before')}"]
    assert statement.decode(text) == ONE
    assert statement.decode(statement.encode(replace(ONE, before="-"))).before == "-"


@pytest.mark.parametrize("change", [{"counter": 0}, {"counter": 10**16}, {"database": "x"}, {"before": ""}])
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        statement.decode(statement.encode(replace(ONE, **change)))  # type: ignore[arg-type]


def test_what_a_revision_does_not_have_is_empty() -> None:
    def reader(name: bytes) -> bytes:
        if name == statement.SIGNATURE:
            raise PurgedError("purged", code="content-purged")
        raise DamagedError("missing", code="repository-damaged")

    assert statement.read(reader) == (b"", b"")
    assert statement.read(lambda name: name) == (statement.STATEMENT, statement.SIGNATURE)
