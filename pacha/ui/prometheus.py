"""The state of all hosts in Prometheus's text format 0.0.4, for the textfile collector."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pacha.text import escape

if TYPE_CHECKING:
    from pacha.fleet.report import DriftReport
    from pacha.server.hosts import HostStatus
    from pacha.server.purge_counts import PurgeCount


_METRICS: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("last_push_timestamp_seconds", "When a push last left the master up to date.", lambda host: host.heartbeat.at),
    ("last_snapshot_timestamp_seconds", "When its newest snapshot was made.", lambda host: host.heartbeat.made),
    ("frequency_seconds", "How often it means to push.", lambda host: host.heartbeat.frequency * 3600),
    ("last_push_exit_code", "What its last push ended with.", lambda host: host.heartbeat.exit),
    ("paths", "The paths that it watches.", lambda host: host.heartbeat.paths),
    ("files", "The files of its newest snapshot.", lambda host: host.heartbeat.files),
    ("size_bytes", "Their content.", lambda host: host.heartbeat.size),
    ("checked_timestamp_seconds", "When it was last checked that it can be rebuilt.", lambda host: host.checked.at),
    ("checked_purged_files", "Its files without content, as it was purged.", lambda host: host.checked.purged),
    ("check_exit_code", "What that check ended with.", lambda host: host.checked.code),
)


_PURGES: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("purges", "How often something was purged from its history.", lambda count: count.purges),
    ("purged_revisions", "Revisions of its files whose content was purged.", lambda count: count.revisions),
)
_DRIFT: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("paths", "Paths at or below this one that are not the same on all hosts.", lambda one: one.differing),
    ("hosts", "Hosts that have something else there than most.", lambda one: one.hosts_apart),
)


def prometheus_text(
    hosts: Iterable[HostStatus],
    purges: Iterable[PurgeCount] = (),
    drifts: Iterable[DriftReport] = (),
    unread: int = 0,
) -> str:
    """All hosts, what was purged from them, and the drift at some paths; ``unread`` hosts could not be asked for it.

    Host names need no escape.
    """
    statuses, counts, reports = tuple(hosts), tuple(purges), tuple(drifts)
    lines = ["# HELP pacha_host_state 1 for the state that the host is in.", "# TYPE pacha_host_state gauge"]
    for host in statuses:
        states = (f'pacha_host_state{{host="{host.host}",state="{state.value}"}}' for state in type(host.state))
        lines += [f"{name} {int(state is host.state)}" for name, state in zip(states, type(host.state), strict=True)]
    for name, doc, value in _METRICS:
        reporting = (host for host in statuses if (host.checked if "check" in name else host.heartbeat) is not None)
        lines += _gauge(f"pacha_host_{name}", doc, ((f'host="{host.host}"', value(host)) for host in reporting))
    for name, doc, value in _PURGES if counts else ():
        lines += _gauge(f"pacha_host_{name}", doc, ((f'host="{count.host}"', value(count)) for count in counts))
    if reports:
        lines += _gauge("pacha_drift_unread_hosts", "Hosts whose newest history cannot be read.", [("", unread)])
    for name, doc, value in _DRIFT if reports else ():
        lines += _gauge(f"pacha_drift_{name}", doc, ((f'path="{_label(one.path)}"', value(one)) for one in reports))
    return "\n".join(lines)


def _gauge(name: str, doc: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    head = [f"# HELP {name} {doc}", f"# TYPE {name} gauge"]
    return [*head, *(f"{name}{f'{{{label}}}' if label else ''} {value:.15g}" for label, value in samples)]


def _label(path: bytes) -> str:
    """A path as the value of a label: printable, with what the format gives a meaning escaped."""
    return escape(path).replace("\\", r"\\").replace('"', r"\"")
