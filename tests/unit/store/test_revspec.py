"""WHEN: each way of saying it means one snapshot, or is refused with those that are near."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from pacha.errors import UsageError
from pacha.store.revspec import SnapshotRef, resolve
from pacha.text import local_second


@pytest.fixture(autouse=True, params=["UTC", "America/New_York", "Asia/Kolkata"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are local: the same words, in three places."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def moment(*parts: int) -> float:
    return datetime(*parts).timestamp()  # type: ignore[arg-type]


def snapshots() -> list[SnapshotRef]:
    return [
        SnapshotRef("aaaa1" + "0" * 35, moment(2026, 11, 24, 11, 59, 30)),
        SnapshotRef("aaaa2" + "0" * 35, moment(2026, 11, 24, 4, 0, 12)),
        SnapshotRef("b" * 40, moment(2026, 11, 23, 23, 30)),
        SnapshotRef("20261101" * 5, moment(2026, 11, 1, 4, 0, 5)),
    ]


def chosen(when: str) -> str:
    return resolve(when, snapshots(), moment(2026, 11, 24, 12, 0, 0)).node[:5]


@pytest.mark.parametrize(
    ("when", "node"),
    [
        ("aaaa1", "aaaa1"), ("20261101", "20261"), ("bbbb", "bbbbb"), ("b" * 40, "bbbbb"),
        ("2026-11-24", "aaaa1"), ("2026-11-23", "bbbbb"), ("2026-11-10", "20261"), ("2031-01-01", "aaaa1"),
        ("yesterday", "bbbbb"), ("  yesterday ", "bbbbb"), ("2026-11-01", "20261"),
        ("2026-11-24 04:00", "aaaa2"), ("2026-11-24T04:00", "aaaa2"), ("2026-11-24 03:59", "bbbbb"),
        ("2026-11-24 04:00:12", "aaaa2"), ("2026-11-24 04:00:11", "bbbbb"),
        ("04:00", "aaaa2"), ("03:59", "bbbbb"), ("23:30", "bbbbb"), ("12:00", "aaaa1"), ("11:59:29", "aaaa2"),
        ("0 seconds ago", "aaaa1"), ("30 seconds ago", "aaaa1"), ("32 seconds ago", "aaaa2"), ("1 hour ago", "aaaa2"),
        ("3 days ago", "20261"), ("1 week ago", "20261"), ("12   hours ago", "bbbbb"),
    ],
)  # fmt: skip
def test_each_way_of_saying_it_means_one(when: str, node: str) -> None:
    assert chosen(when) == node


def test_what_log_prints_is_understood() -> None:
    for one in snapshots():
        assert resolve(local_second(one.at), snapshots(), moment(2026, 11, 24, 12)) == one
        zoned = datetime.fromtimestamp(one.at).astimezone().strftime("%Y-%m-%dT%H:%M:%S%z")
        assert resolve(zoned, snapshots(), moment(2026, 11, 24, 12)) == one
        utc = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.at))
        assert resolve(utc, snapshots(), moment(2026, 11, 24, 12)) == one


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("aaaa", "More than one"), ("cccc", "no snapshot cccc"), ("aaa", "a time"), ("", "a time"),
        ("tomorrow", "a time"), ("2026-13-01", "a time"), ("2026-11-31", "a time"), ("25:00", "a time"),
        ("2026-11-1", "a time"), ("04:00+01:00", "a time"), ("-1 days ago", "a time"), ("3 days", "a time"),
        ("9999-12-31", "a time"), ("AAAA1", "a time"), ("\x1b[31m", "a time"), ("\udcff", "a time"),
        ("2026-10-31", "no snapshot from before"), ("400 weeks ago", "no snapshot from before"),
        ("2026-11-01 04:00:04", "no snapshot from before"), ("0001-01-01", "no"),
    ],
)  # fmt: skip
def test_what_means_none_or_several_is_refused_naming_what_there_is(when: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        chosen(when)
    assert said in refused.value.message
    every = " ".join((refused.value.message, refused.value.why, refused.value.hint))
    assert every.isprintable()
    assert any(one.node[:12] in every and local_second(one.at) in every for one in snapshots())


def test_of_several_in_one_minute_the_newest_is_meant() -> None:
    two = [SnapshotRef("a" * 40, moment(2026, 1, 1, 4, 0, 50)), SnapshotRef("b" * 40, moment(2026, 1, 1, 4, 0, 10))]
    assert resolve("2026-01-01 04:00", two, moment(2026, 1, 2)).node == "a" * 40


@pytest.mark.parametrize("when", ["yesterday", "2026-11-23 23:50", "12:00"])
def test_a_snapshot_that_dates_itself_before_what_came_earlier_is_not_believed(when: str) -> None:
    """Somebody with the host's key chooses the date of what is added."""
    forged = SnapshotRef("f" * 40, moment(2026, 11, 23, 23, 45))
    now = moment(2026, 11, 24, 12)
    with pytest.raises(UsageError) as refused:
        resolve(when, [forged, *snapshots()], now)
    assert refused.value.code == "times-not-in-order"
    assert "ffffffffffff" in refused.value.why and "aaaa10000000" in refused.value.why
    assert resolve("2026-11-23 23:40", [forged, *snapshots()], now).node == "b" * 40
    assert resolve("ffff", [forged, *snapshots()], now) is forged


def test_a_date_in_the_future_does_not_spoil_the_others() -> None:
    """A clock was years ahead for one push."""
    ahead = SnapshotRef("e" * 40, moment(2031, 1, 1))
    newest, *earlier = snapshots()
    assert resolve("12:00", [newest, ahead, *earlier], moment(2026, 11, 24, 12)) == newest


def test_a_time_that_comes_twice_is_refused_unless_it_has_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In New York the clock went from 02:00 back to 01:00 on that day."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    first = datetime(2026, 11, 1, 5, 30, 1, tzinfo=timezone.utc).timestamp()
    two = [SnapshotRef("b" * 40, first + 3600), SnapshotRef("a" * 40, first)]
    now = first + 86400
    assert [local_second(one.at) for one in two] == ["2026-11-01 01:30:01-0500", "2026-11-01 01:30:01-0400"]
    assert [resolve(local_second(one.at), two, now) for one in two] == two
    for when in ("2026-11-01 01:30:01", "2026-11-01 01:30", "2026-11-01T01:45"):
        with pytest.raises(UsageError) as refused:
            resolve(when, two, now)
        assert refused.value.code == "time-comes-twice" and local_second(two[0].at) in refused.value.why
    assert resolve("2026-11-01 02:00", two, now) == two[0]
    assert resolve("2026-11-01 01:30:01", [SnapshotRef("c" * 40, first - 9999)], now).node == "c" * 40
