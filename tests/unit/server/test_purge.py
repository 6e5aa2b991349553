from __future__ import annotations

import os

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


def test_a_host_that_is_not_there(bar: Standalone) -> None:
    with pytest.raises(PachaError, match="There is no host 'foo'"):
        purge.plan(os.fsencode(bar.top / "hosts"), "foo", PurgeOrder(paths=(b"/x",)))
