"""The state of all hosts in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pacha.server.hosts import HostStatus


_METRICS: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("last_push_timestamp_seconds", "When a push last left the master up to date.", lambda host: host.heartbeat.at),
    ("last_snapshot_timestamp_seconds", "When its newest snapshot was made.", lambda host: host.heartbeat.made),
    ("frequency_seconds", "How often it means to push.", lambda host: host.heartbeat.frequency * 3600),
    ("last_push_exit_code", "What its last push ended with.", lambda host: host.heartbeat.exit),
    ("paths", "The paths that it watches.", lambda host: host.heartbeat.paths),
    ("files", "The files of its newest snapshot.", lambda host: host.heartbeat.files),
    ("size_bytes", "Their content.", lambda host: host.heartbeat.size),
    ("checked_timestamp_seconds", "When it was last checked that it can be rebuilt.", lambda host: host.checked.at),
    ("check_exit_code", "What that check ended with.", lambda host: host.checked.code),
)


def prometheus_text(hosts: Iterable[HostStatus]) -> str:
    """All hosts in Prometheus's text format 0.0.4, for the textfile collector; host names need no escape."""
    statuses = tuple(hosts)
    lines = ["# HELP pacha_host_state 1 for the state that the host is in.", "# TYPE pacha_host_state gauge"]
    for host in statuses:
        states = (f'pacha_host_state{{host="{host.host}",state="{state.value}"}}' for state in type(host.state))
        lines += [f"{name} {int(state is host.state)}" for name, state in zip(states, type(host.state), strict=True)]
    for name, doc, value in _METRICS:
        lines += [f"# HELP pacha_host_{name} {doc}", f"# TYPE pacha_host_{name} gauge"]
        reporting = (host for host in statuses if (host.checked if "check" in name else host.heartbeat) is not None)
        lines += [f'pacha_host_{name}{{host="{host.host}"}} {value(host):.15g}' for host in reporting]
    return "\n".join(lines)
