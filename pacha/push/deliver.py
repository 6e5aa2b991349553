"""Send to each master what it is missing, ``db`` last, then the heartbeat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pacha
from pacha.errors import Concern, ExitCode, PachaError
from pacha.files.names import DATABASE
from pacha.push import signing
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store.recorded import summary_of
from pacha.store.snapshot import Snapshot
from pacha.text import rfc3339
from pacha.wire.master import HEARTBEAT_MAX

_UNREADABLE = "its revision {node} on {label} cannot be read ({why}); the push went on beside it: find out who added it"


def deliver(session: PushSession, snapshot: Snapshot, tip: str) -> bool:
    """Send to every master what it is missing, then the heartbeat; returns whether anything was missing."""
    sent_any, word = False, signing.last_word(session, tip) if session.reached else {}
    for target in session.reached:
        code = ExitCode.CONCERNS if session.concerns or target.unreadable else ExitCode.DONE
        try:
            line = _heartbeat(session, target, snapshot, tip, code, word)
            sent = target.send(snapshot, tip, session.repository, line)
            target.leave_heartbeat(line, sent)
            sent_any |= sent
        except PachaError as error:
            session.fail(target, error)
    session.concerns += [concern for target in session.targets for concern in _unreadable(session, target)]
    return sent_any


def _unreadable(session: PushSession, target: MasterTarget) -> Iterator[Concern]:
    """The concerns about revisions on a master that cannot be read."""
    for (name, node), error in target.unreadable.items():
        reason = _UNREADABLE.format(node=node[:12], label=target.label, why=error.in_a_line)
        yield Concern(session.path_of(name), reason)


def _heartbeat(
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
