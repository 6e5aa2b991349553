"""A report: each host as it stands, its days, its snapshots; what drifts of the paths that were asked for."""

from __future__ import annotations

import os
import time

from pacha.fleet.changes import HostSnapshot
from pacha.fleet.report import DAYS, days, drift_reports, host_reports
from pacha.fleet.update import NEVER, up_to_date
from pacha.server.hosts import hosts as statuses_of
from pacha.store import hg
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def snapshot(at: float, touched: int | None) -> HostSnapshot:
    paths = None if touched is None else tuple(("A", f"/{number}") for number in range(touched))
    return HostSnapshot(host="a", node="a" * 40, at=at, user="u", message="", touched=paths, ahead=False)


def test_days() -> None:
    now = 1e9
    found = days([snapshot(now, 2), snapshot(now - 90_000, 3), snapshot(now - 90_001, None), snapshot(1.0, 9)], now)
    assert len(found) == DAYS and (found[-1].snapshots, found[-1].touched) == (1, 2)
    assert (found[-2].snapshots, found[-2].touched) == (2, 3) and sum(day.snapshots for day in found) == 3
    assert days([snapshot(now + 1e9, 1)], now)[-1].snapshots == 1


def test_hosts_and_drift(hosts: Hosts) -> None:
    hosts.push("web1", {"motd": "other\n"}, "why")
    (hosts.top / "hosts/none").mkdir()
    now = time.time()
    with up_to_date(hosts.hosts_path) as fleet:
        reports = {one.status.host: one for one in host_reports(fleet, statuses_of(hosts.hosts_path, now), now)}
        assert reports.keys() == {"db1", "web1", "web2", "none"} and reports["none"].fault == NEVER
        web1 = reports["web1"]
        assert [one.message for one in web1.snapshots] == ["why", ""] and web1.days[-1].snapshots == 2
        assert web1.watched == (os.fsencode(hosts.tree),) and {one.host for one in web1.snapshots} == {"web1"}
        same, other, none = drift_reports(fleet, [hosts.path("ssh/sshd_config"), hosts.path("motd"), b"/none"], ())
        assert (same.differing, other.differing, none.differing, none.drifts) == (1, 1, 0, ())
        assert drift_reports(fleet, [os.fsencode(hosts.tree)], ["*"])[0].differing == 0


def test_names_that_are_longer_than_any_path_are_cut(hosts: Hosts) -> None:
    repository = hg.Repository.open(str(hosts.top / "hosts/web2/db"))
    head = repository.heads()[0]
    text = b"1 added\npacha.db x\n" + b"A /" + b"n" * 1_000_000 + b"\nA /short\n"
    blobs = {b"changes": hg.Blob(text), b"pacha.db": hg.Blob(repository.reader(head)(b"pacha.db"))}
    repository.commit(head, [b"changes"], [], blobs.__getitem__, hg.Note("", "u", time.time()))
    now = time.time()
    with up_to_date(hosts.hosts_path) as fleet:
        found = list(host_reports(fleet, statuses_of(hosts.hosts_path, now), now))
    (web2,) = (one for one in found if one.status.host == "web2")
    touched = web2.snapshots[0].touched
    assert touched is not None and [len(name) for _, name in touched] == [1000, 6]
