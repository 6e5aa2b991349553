"""A clock that leapt ahead is told from one that is right."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import purge_clock
from pacha.text import rfc3339

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


def beat(hosts_path: Path, host: str, made: float) -> None:
    (hosts_path / host / "db/.hg").mkdir(parents=True)
    stamps = {"at": rfc3339(NOW), "snapshot": rfc3339(made)}
    told = {**stamps, "tip": "a" * 40, "exit": 0, "version": "1.0", "frequency": 12, "paths": 1, "files": 1, "size": 1}
    (hosts_path / host / "last-push").write_text(json.dumps(told) + "\n")


@pytest.mark.parametrize("noted", [None, NOW + 5000 * DAY])
def test_a_first_run_and_one_after_a_wrong_clock_go_by_the_hosts_clocks(tmp_path: Path, noted: float | None) -> None:
    """The first run of a master whose clock is wrong erased everything; so did a second leap after a first one."""
    hosts_path = os.fsencode(tmp_path)
    if noted:
        purge_clock.note(hosts_path, noted)
    beat(tmp_path, "bar", NOW - 20 * DAY)
    beat(tmp_path, "baz", NOW - 90 * DAY)
    beat(tmp_path, "ahead", NOW + 400 * DAY)
    purge_clock.check(hosts_path, NOW)
    with pytest.raises(PachaError) as caught:
        purge_clock.check(hosts_path, NOW + 15 * DAY)
    assert caught.value.code == "purge-clock"
