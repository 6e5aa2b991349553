"""What a push tells each master at its end: the snapshot that it has now, how the push went, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pacha
from pacha.errors import ExitCode
from pacha.files.names import DATABASE
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store.recorded import summary_of
from pacha.store.snapshot import Snapshot
from pacha.text import rfc3339
from pacha.wire.master import HEARTBEAT_MAX


def heartbeat(
    session: PushSession, target: MasterTarget, snapshot: Snapshot, tip: str, code: ExitCode, word: Mapping[str, str]
) -> bytes:
    """The heartbeat, which 'pacha hosts' shows; its time is by the master's clock, that of ``word`` by ours."""
    _, probe = target.connection
    summary = summary_of(snapshot.entries)
    line = {
        "at": rfc3339(probe.clock), "tip": tip, "exit": int(code), "version": pacha.__version__,
        "snapshot": rfc3339(_time_of(session, tip)), "frequency": session.context.config.frequency,
        "paths": len(snapshot.live), "files": summary.files, "size": summary.size,
    }  # fmt: skip
    text = json.dumps({**line, **word}).encode("ascii") + b"\n"
    return text if len(text) <= HEARTBEAT_MAX else json.dumps(line).encode("ascii") + b"\n"  # of an RSA key


def _time_of(session: PushSession, tip: str) -> float:
    """The time of the snapshot ``tip``."""
    node, at = session.state.made or ("", 0.0)
    if node != tip:
        at = session.repository(DATABASE).note(tip).at
        session.update(made=(tip, at))
    return at
