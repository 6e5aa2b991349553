"""The state of all hosts in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pacha.server.hosts import HostStatus


_METRICS: tuple[tuple[str, str, Callable[[Any], float]], ...] = (
    ("last_push_timestamp_seconds", "When a push last left the master up to date.", lambda one: one.heartbeat.at),
    ("last_snapshot_timestamp_seconds", "When its newest snapshot was made.", lambda one: one.heartbeat.made),
    ("frequency_seconds", "How often it means to push.", lambda one: one.heartbeat.frequency * 3600),
    ("last_push_exit_code", "What its last push ended with.", lambda one: one.heartbeat.exit),
    ("paths", "The paths that it watches.", lambda one: one.heartbeat.paths),
    ("files", "The files of its newest snapshot.", lambda one: one.heartbeat.files),
    ("size_bytes", "Their content.", lambda one: one.heartbeat.size),
    ("checked_timestamp_seconds", "When it was last checked that it can be rebuilt.", lambda one: one.checked.at),
    ("check_exit_code", "What that check ended with.", lambda one: one.checked.code),
)


def prometheus_text(found: Iterable[HostStatus]) -> str:
    """The same in Prometheus's text format 0.0.4, for the textfile collector; a host's name needs no escape."""
    seen = tuple(found)
    lines = ["# HELP pacha_host_state 1 for the state that the host is in.", "# TYPE pacha_host_state gauge"]
    for one in seen:
        states = (f'pacha_host_state{{host="{one.host}",state="{state.value}"}}' for state in type(one.state))
        lines += [f"{name} {int(state is one.state)}" for name, state in zip(states, type(one.state), strict=True)]
    for name, doc, value in _METRICS:
        lines += [f"# HELP pacha_host_{name} {doc}", f"# TYPE pacha_host_{name} gauge"]
        having = (one for one in seen if (one.checked if "check" in name else one.heartbeat) is not None)
        lines += [f'pacha_host_{name}{{host="{one.host}"}} {value(one):.15g}' for one in having]
    return "\n".join(lines)
