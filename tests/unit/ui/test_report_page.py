"""The pages of a report: everything escaped, long lists folded, what is too much counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacha.fleet.changes import HostSnapshot
from pacha.fleet.drift import Drift, HostGroup
from pacha.fleet.report import DriftReport, HostReport, days
from pacha.server.hosts import HostStatus, State
from pacha.ui import report_page
from pacha.ui.report_page import HostsPage, drift_page, host_page, host_page_name, is_host_page

EVIL = "</title><script>alert(1)</script>\x1b"
SNAPSHOT = HostSnapshot(
    host="web1", node="a" * 40, at=1e9, user=EVIL, message=EVIL, ahead=True,
    touched=tuple(("A", f"/{number}{EVIL}") for number in range(300)),
)  # fmt: skip
HOST = HostReport(
    status=HostStatus("web1", State.SILENT, None, None, EVIL), watched=(EVIL.encode(),),
    days=days([SNAPSHOT], 1e9), snapshots=(SNAPSHOT,), fault=EVIL,
)  # fmt: skip
ONE = Drift(subject=b"/etc/a" + EVIL.encode(), groups=(HostGroup(hosts=("a",)), HostGroup(hosts=("b",))))
DRIFTS = [DriftReport(path=b"/etc", drifts=(ONE,) * 3), DriftReport(path=b"/none", drifts=())]


def test_a_host() -> None:
    page = host_page(HOST, 1e9).decode()
    assert "<script" not in page and "\x1b" not in page and "300 paths" in page and "and 100 more" in page
    assert "its clock is ahead" in page and "<svg" in page


def test_snapshots_of_a_forged_host_fill_no_page() -> None:
    touched = tuple(("A", f"/{number}{'<' * 1000}") for number in range(200))
    many = replace(HOST, snapshots=(replace(SNAPSHOT, touched=touched),) * 400)
    page = host_page(many, 1e9)
    assert 500_000 < len(page) < 2_100_000 and b"and 398 earlier snapshots" in page


def test_all_hosts() -> None:
    overview = HostsPage(1e9)
    overview.add(HOST)
    page = overview.page("m", DRIFTS, [EVIL]).decode()
    assert "<script" not in page and "1 host: 1 silent" in page and 'href="host-web1.html"' in page
    assert "3 paths differ" in page and "no host has it" in page
    assert "no host yet" in HostsPage(1e9).page("m", [], []).decode()


def test_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "_MOST_DRIFTS", 2)
    page = drift_page(DRIFTS).decode()
    assert "<script" not in page and "and 1 more: pacha drift /etc --names" in page and page.count("<h3") == 2
    assert "<table" not in page and page.count("<li>1 host: ") == 4, "a row of many names is not broken in print"


def test_names() -> None:
    assert is_host_page(host_page_name("a.b")) and not is_host_page("index.html")
    names = {host_page_name("x" * 254 + end) for end in "ab"}
    assert len(names) == 2 and all(len(name) <= 240 and is_host_page(name) for name in names)
