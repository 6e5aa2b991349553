"""Entries as rows of pacha.db, and back."""

from __future__ import annotations

from pacha.store import row_checks, rows
from tests.support.database_rows import good


def test_a_row_comes_back() -> None:
    for entry in good().entries.values():
        assert rows.to_entry(rows.from_entry(entry)) == entry == row_checks.checked_entry(rows.from_entry(entry))
        assert len(rows.from_entry(entry)) == len(rows.COLUMNS)
