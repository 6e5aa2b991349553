"""Which files of a selection have other names outside of it."""

from __future__ import annotations

from pacha.store.snapshot import Snapshot
from pacha.store.split_hardlinks import split_hardlinks
from tests.support.entries import entry_at

_GROUPS = {b"/etc/a/in": 1, b"/etc/b/out": 1, b"/etc/a/x": 2, b"/etc/a/y": 2, b"/etc/a/alone": None}


def snapshot() -> Snapshot:
    entries = {path: entry_at(path, mtime_ns=0, link_group=group) for path, group in _GROUPS.items()}
    return Snapshot({"host": "bar"}, (), entries, {})


def test_a_file_with_a_name_outside_the_selection_is_split() -> None:
    assert split_hardlinks(snapshot(), (b"/etc/a",)) == {b"/etc/a/in"}


def test_names_that_are_all_selected_are_not_split() -> None:
    assert split_hardlinks(snapshot(), (b"/etc/a", b"/etc/b")) == frozenset()
    assert split_hardlinks(snapshot(), (b"/etc/a/x", b"/etc/a/y")) == frozenset()
