"""A clock that leapt ahead is told from one that is right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import purge_clock

DAY = 86400.0
NOW = 1_800_000_000.0


def test_a_first_run_and_those_that_follow(tmp_path: Path) -> None:
    hosts_path = os.fsencode(tmp_path)
    purge_clock.check(hosts_path, NOW)
    purge_clock.note(hosts_path, NOW)
    for later in (0, DAY, 31 * DAY, -400 * DAY):  # set back, nothing is old
        purge_clock.check(hosts_path, NOW + later)
    with pytest.raises(PachaError) as caught:
        purge_clock.check(hosts_path, NOW + 32 * DAY)
    assert caught.value.code == "purge-clock"
    purge_clock.note(hosts_path, NOW + 32 * DAY)
    purge_clock.check(hosts_path, NOW + 33 * DAY)


def test_a_note_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    purge_clock.note(os.fsencode(tmp_path), NOW)
    (tmp_path / ".pacha" / "purged-all").write_text("soon\n")
    purge_clock.check(os.fsencode(tmp_path), NOW + 400 * DAY)
