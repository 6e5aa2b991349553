"""Numbers that are nobody's, and when what they stand for is settled."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.host import orphans
from pacha.host.orphans import FIRST, free_number, unsettled
from pacha.store.host_state import Orphans


def test_a_number_that_a_container_does_not_have_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "ranges", lambda id_map: [range(65536), range(100_000, 2**31)])
    assert free_number(1000, set(), "uid_map") == FIRST + 1000
    monkeypatch.setattr(orphans, "ranges", lambda id_map: [range(65536)])
    assert free_number(1000, {60578}, "uid_map") == 60579
    assert free_number(1000, {*range(60578, 61184)}, "uid_map") == 1000, "there is none"


def test_a_number_of_the_highest_range_is_not_left_for_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "ranges", lambda id_map: [range(2**32)])
    assert free_number(2**32 - 2, set(), "uid_map") == FIRST
    assert free_number(FIRST + 7, set(), "uid_map") == FIRST + 7
    assert free_number(FIRST + 7, {FIRST + 7}, "uid_map") != FIRST + 7


def test_what_is_gone_or_somebody_elses_by_now_is_settled(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    path, gone = os.fsencode(there), os.fsencode(tmp_path / "gone")
    status = there.stat()

    def one(number: int, *paths: bytes, target: bytes = b"/t") -> Orphans:
        return Orphans(name=b"ann", is_group=False, number=number, count=9, paths=paths, target=target)

    assert unsettled([one(status.st_uid, gone, path)], b"/t") != ()
    assert unsettled([one(status.st_uid + 1, path), one(status.st_uid, gone)], b"/t") == ()
    assert unsettled([one(status.st_uid, path)], b"/other") == ()
