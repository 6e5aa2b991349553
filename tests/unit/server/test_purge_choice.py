from __future__ import annotations

import os
import time

import pytest

from pacha.errors import PachaError, UsageError
from pacha.server import purge_choice
from pacha.server.host_directory import HostDirectory
from pacha.server.host_history import HostHistory
from pacha.server.purge_choice import Choice, PurgeOrder
from pacha.store.revspec import SnapshotRef
from tests.support.standalone import Standalone, standalone_host

__all__ = ["standalone_host"]
DAY = 86400.0


def history(bar: Standalone) -> HostHistory:
    return HostHistory(HostDirectory(os.fsencode(bar.top / "hosts"), "bar"))


def chosen(bar: Standalone, *paths: bytes, **limits: object) -> Choice:
    order = PurgeOrder(paths=paths or (bar.path,), **limits)  # type: ignore[arg-type]
    return purge_choice.choose(history(bar), order, time.time())


def live(bar: Standalone, *texts: str) -> list[str]:
    """A push for each content of the file; returns the snapshots."""
    tips = []
    for text in texts:
        (bar.tree / "one").write_text(text)
        tips.append(bar.push().tip)
    return tips


def test_all_but_the_newest_content_is_chosen(bar: Standalone) -> None:
    live(bar, "first\n", "second\n", "third\n")
    choice = chosen(bar, bar.path + b"/one")
    assert {name: len(nodes) for name, nodes in choice.revisions["foo"].items()} == {b"one": 2}
    assert choice.newest == {bar.path + b"/one"} and choice.places == {"foo": [b"one"]}
    row = choice.paths[bar.path + b"/one"]
    assert (len(row.brought_by), row.size) == (2, 13)
    assert len(chosen(bar, bar.path, also_newest=True).revisions["foo"][b"one"]) == 3
    assert chosen(bar, b"/etc").revisions == {}


def test_what_a_kept_snapshot_needs_stays(bar: Standalone) -> None:
    tips = live(bar, "first\n", "second\n", "third\n")
    assert chosen(bar, before=tips[0]).revisions == {}
    assert len(chosen(bar, before=tips[1]).revisions["foo"][b"one"]) == 1
    assert len(chosen(bar, before=tips[2]).revisions["foo"][b"one"]) == 2
    assert chosen(bar, before=tips[2]).newest == set()
    assert len(chosen(bar, at=(tips[1],)).revisions["foo"][b"one"]) == 1
    assert chosen(bar, older_than=DAY).revisions == {}


def test_a_file_in_parts_is_erased_but_not_what_points_to_them(bar: Standalone) -> None:
    with open(bar.tree / "large", "wb") as large:
        large.truncate(17 << 20)
    bar.push()
    os.unlink(bar.tree / "large")
    bar.push()
    assert {name.rpartition(b"/")[0] for name in chosen(bar, bar.path + b"/large").revisions["foo"]} == {
        b".pacha/parts/large"
    }


def test_only_the_newest_is_refused(bar: Standalone) -> None:
    live(bar, "first\n")
    with pytest.raises(PachaError, match="The newest snapshot still has that content"):
        purge_choice.check_newest(chosen(bar))
    purge_choice.check_newest(chosen(bar, also_newest=True))


def test_one_a_month_is_kept() -> None:
    now = time.mktime((2026, 7, 15, 12, 0, 0, 0, 0, -1))
    every = [SnapshotRef(str(days), now - days * DAY) for days in range(0, 400, 7)]
    order = PurgeOrder(older_than=30 * DAY, keep_monthly=4)
    kept = [each for each in every if each.node not in purge_choice._old(every, order, now)]
    assert [each.node for each in kept] == ["0", "7", "14", "21", "28", "49", "77"]
    assert len(purge_choice._old(every, PurgeOrder(older_than=30 * DAY), now)) == len(every) - 5


def test_a_clock_that_stood_still_makes_nothing_old() -> None:
    """The host had no clock for two pushes; another time it was a year ahead."""
    now = 1_700_000_000.0
    said = [now - 50 * DAY, now - 3 * DAY, 0.0, 60.0, now + 365 * DAY, now - 2 * DAY, now - DAY, None]
    oldest_first = [SnapshotRef(str(number), at) for number, at in enumerate(said)]
    assert purge_choice._old(oldest_first[::-1], PurgeOrder(older_than=30 * DAY), now) == {"0"}


@pytest.mark.parametrize(
    "order",
    [
        PurgeOrder(),
        PurgeOrder(paths=(b"etc",)),
        PurgeOrder(paths=(b"/etc",), before="x", older_than=DAY),
        PurgeOrder(paths=(b"/etc",), keep_monthly=3),
    ],
)
def test_a_senseless_order_is_refused(order: PurgeOrder) -> None:
    with pytest.raises(UsageError):
        purge_choice.check(order)
