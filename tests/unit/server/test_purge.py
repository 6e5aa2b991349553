from __future__ import annotations

import gc
import os
import time

import pytest

from pacha.errors import PachaError
from pacha.server import purge
from pacha.server.host_directory import HostDirectory
from pacha.server.purge_choice import PurgeOrder
from pacha.store.hg import Repository
from tests.support.canaries import found
from tests.support.standalone import Standalone, standalone_host

__all__ = ["standalone_host"]


def came_and_went(bar: Standalone) -> PurgeOrder:
    """A secret in the history; returns what erases it."""
    for text in ("SECRET\n", "none\n"):
        (bar.tree / "one").write_text(text)
        bar.push()
    return PurgeOrder(paths=(bar.path + b"/one",))


def run(bar: Standalone, order: PurgeOrder) -> purge.PurgeResult:
    hosts = os.fsencode(bar.top / "hosts")
    return purge.carry_out(hosts, "bar", order, purge.plan(hosts, "bar", order), limits="", why="by accident")


def secret(bar: Standalone) -> set[bytes]:
    return set(found([b"SECRET"], bar.top / "hosts"))


def test_it_erases_and_records(bar: Standalone) -> None:
    order = came_and_went(bar)
    (bar.master / ".new-foo-00000000").mkdir()
    (bar.master / ".new-foo-00000000" / "data").write_text("SECRET")
    assert secret(bar)
    assert run(bar, order).erased == 1
    assert not secret(bar)
    [recorded] = purge.read_record(HostDirectory(os.fsencode(bar.top / "hosts"), "bar"))
    assert (recorded.why, recorded.paths) == ("by accident", order.paths) and recorded.by.endswith(os.uname().nodename)
    assert b"SECRET" not in (bar.master / ".purged").read_bytes()
    assert (bar.master / ".purged").stat().st_mode & 0o777 == 0o600


def test_a_push_after_the_plan_stops_it(bar: Standalone) -> None:
    order, hosts = came_and_went(bar), os.fsencode(bar.top / "hosts")
    planned = purge.plan(hosts, "bar", order)
    (bar.tree / "one").write_text("other\n")
    bar.push()
    with pytest.raises(PachaError, match="Nothing was purged"):
        purge.carry_out(hosts, "bar", order, planned, limits="", why="")
    assert secret(bar) and not (bar.master / ".purged").exists()


def test_one_that_was_killed_is_carried_out_by_the_next(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    order = came_and_went(bar)
    with monkeypatch.context() as killed:
        killed.setattr(Repository, "erase", lambda *_: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            run(bar, order)
    assert secret(bar) and (bar.master / ".purged").exists()
    planned = purge.plan(os.fsencode(bar.top / "hosts"), "bar", order)
    assert planned.unfinished == ("foo",)
    run(bar, order)
    assert not secret(bar)


def old(bar: Standalone, **limits: int) -> purge.PurgeResult:
    """Purge what is older than ten milliseconds."""
    time.sleep(0.02)
    order = PurgeOrder(older_than=0.01, **limits)
    return purge.carry_out(os.fsencode(bar.top / "hosts"), "bar", order, limits="--older-than 1d", why="")


@pytest.mark.slow
def test_runs_by_age_are_one_in_the_record_and_leave_a_first_push_alone(bar: Standalone) -> None:
    half = bar.master / ".new-foo-00000000"
    for number in range(3):
        (bar.tree / "one").write_text(f"SECRET {number}\n")
        bar.push()
        half.mkdir(exist_ok=True)
        assert old(bar).erased == min(number, 1)
    assert half.is_dir()
    [recorded] = purge.read_record(HostDirectory(os.fsencode(bar.top / "hosts"), "bar"))
    assert len(recorded.revisions["foo"][b"one"]) == 2
    assert found([b"SECRET 0", b"SECRET 1", b"SECRET 2"], bar.top / "hosts").keys() == {b"SECRET 2"}


def test_what_has_left_the_record_does_not_come_back_into_it(bar: Standalone) -> None:
    came_and_went(bar)
    assert old(bar).erased == 1
    (bar.master / ".purged").unlink()
    assert old(bar).erased == 0
    run(bar, PurgeOrder(paths=(bar.path,)))
    by_age, on_purpose = purge.read_record(HostDirectory(os.fsencode(bar.top / "hosts"), "bar"))
    assert by_age.revisions == on_purpose.revisions == {} and on_purpose.places == {"foo": (b"",)}


def test_a_first_run_by_age_is_recorded_although_nothing_is_old(bar: Standalone) -> None:
    bar.push()
    assert old(bar).erased == 0
    [recorded] = purge.read_record(HostDirectory(os.fsencode(bar.top / "hosts"), "bar"))
    assert recorded.is_by_age and recorded.revisions == {}


def test_what_was_planned_is_done_however_long_a_person_thought(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What becomes old meanwhile stays for the next time."""
    order, hosts, real = PurgeOrder(older_than=3600), os.fsencode(bar.top / "hosts"), time.time
    came_and_went(bar)
    planned = purge.plan(hosts, "bar", order)
    monkeypatch.setattr(time, "time", lambda: real() + 7200)
    assert purge.carry_out(hosts, "bar", order, planned, limits="--older-than 1d", why="").erased == 0
    assert purge.carry_out(hosts, "bar", order, limits="--older-than 1d", why="").erased == 1


def test_garbage_is_collected_meanwhile(bar: Standalone) -> None:
    """A process of Pacha collects little: the logs of 8,000 files were 700 MiB by the end."""
    bar.push()
    before = gc.get_threshold()
    gc.set_threshold(1_000_000)
    try:
        found = purge._apart(os.fsencode(bar.top / "hosts"), "bar", lambda folder: {"threshold": gc.get_threshold()[0]})
        assert found["threshold"] < 1000 and gc.get_threshold()[0] == 1_000_000
    finally:
        gc.set_threshold(*before)


def test_a_host_that_is_not_there(bar: Standalone) -> None:
    with pytest.raises(PachaError, match="There is no host 'foo'"):
        purge.plan(os.fsencode(bar.top / "hosts"), "foo", PurgeOrder(paths=(b"/x",)))
