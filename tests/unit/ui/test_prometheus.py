"""Prometheus's text format 0.0.4: one state of each host is 1, and what is not known has no sample."""

from __future__ import annotations

import re

from pacha.fleet.drift import Drift, HostGroup
from pacha.fleet.report import DriftReport
from pacha.server.check_results import CheckResult
from pacha.server.hosts import Heartbeat, HostStatus, State
from pacha.server.purge_counts import PurgeCount
from pacha.ui.prometheus import prometheus_text

BEAT = Heartbeat(
    at=1_700_000_000.25, tip="a" * 40, exit=3, version="1.0", made=1_600_000_000, frequency=0.5, paths=1, files=2,
    size=3 << 40,
)  # fmt: skip
HOSTS = [
    HostStatus("bar", State.LATE, BEAT, CheckResult(host="bar", at=5.0, code=13)),
    HostStatus("foo-1.x", State.NEVER, None, None),
    HostStatus("unchecked", State.FRESH, BEAT, None),
]
_SAMPLE = re.compile(r'(\w+)\{host="([^"]+)"(?:,state="(\w+)")?\} (\S+)\Z')


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample; fails for a line that is none, or one that comes twice."""
    read: dict[tuple[str, ...], float] = {}
    for line in text.splitlines():
        if not line.startswith("# "):
            match = _SAMPLE.match(line)
            assert match is not None, line
            key = tuple(filter(None, match.groups()[:3]))
            assert key not in read
            read[key] = float(match[4])
    return read


def test_each_host_is_in_one_state_and_in_no_other() -> None:
    read = samples(prometheus_text(HOSTS))
    for host, state in (("bar", "late"), ("foo-1.x", "never")):
        assert {one.value: read["pacha_host_state", host, one.value] for one in State} == {
            one.value: float(one.value == state) for one in State
        }


def test_a_host_has_what_is_known_of_it_and_nothing_else() -> None:
    read = samples(prometheus_text(iter(HOSTS)))
    assert {key[0].removeprefix("pacha_host_"): value for key, value in read.items() if key[1:] == ("bar",)} == {
        "last_push_timestamp_seconds": 1_700_000_000.25, "last_snapshot_timestamp_seconds": 1_600_000_000,
        "frequency_seconds": 1800, "last_push_exit_code": 3, "paths": 1, "files": 2, "size_bytes": 3 << 40,
        "checked_timestamp_seconds": 5, "check_exit_code": 13,
        "checked_purged_files": 0,
    }  # fmt: skip
    assert {key[1] for key in read if len(key) == 2} == {"bar", "unchecked"}
    assert not [key for key in read if "check" in key[0] and key[1] != "bar"]


def test_each_metric_is_declared_once_before_its_samples() -> None:
    declared: list[str] = []
    for line in prometheus_text(HOSTS).splitlines():
        if line.startswith("# TYPE "):
            declared.append(line.split()[2])
        elif not line.startswith("#"):
            assert line.partition("{")[0] == declared[-1]
    assert len(set(declared)) == len(declared)


def test_purges_and_drift() -> None:
    counts = [PurgeCount(host="bar", purges=2, revisions=70)]
    one = Drift(subject=b"/e", groups=(HostGroup(hosts=("a", "b")), HostGroup(hosts=("c",))))
    drifts = [DriftReport(path=b'/e"\\\n', drifts=(one, one)), DriftReport(path=b"/none", drifts=())]
    lines = prometheus_text(HOSTS, counts, drifts).splitlines()
    assert 'pacha_host_purges{host="bar"} 2' in lines and 'pacha_host_purged_revisions{host="bar"} 70' in lines
    label = r'path="/e\"' + "\\" * 4 + "\\" * 2 + 'x0a"'
    assert f"pacha_drift_paths{{{label}}} 2" in lines and f"pacha_drift_hosts{{{label}}} 1" in lines
    assert 'pacha_drift_paths{path="/none"} 0' in lines and "pacha_drift_unread_hosts 0" in lines
    assert "pacha_drift_unread_hosts 7" in prometheus_text(HOSTS, counts, drifts, 7).splitlines()
