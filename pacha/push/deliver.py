"""Send to each master what it is missing, ``db`` last, then the heartbeat."""

from __future__ import annotations

from pacha.errors import Concern, ExitCode, PachaError
from pacha.push import signing
from pacha.push.heartbeat import heartbeat
from pacha.push.session import PushSession
from pacha.store.snapshot import Snapshot

_UNREADABLE = "its revision {node} on {label} cannot be read ({why}); the push went on beside it: find out who added it"


def deliver(session: PushSession, snapshot: Snapshot, tip: str) -> bool:
    """Send to every master what it is missing, then the heartbeat; returns whether anything was missing."""
    sent_any, word = False, signing.last_word(session, tip) if session.reached else {}
    for target in session.reached:
        code = ExitCode.CONCERNS if session.concerns or target.unreadable else ExitCode.DONE
        try:
            line = heartbeat(session, target, snapshot, tip, code, word)
            sent = target.send(snapshot, tip, session.repository, line)
            target.leave_heartbeat(line, sent)
            sent_any |= sent
        except PachaError as error:
            session.fail(target, error)
    session.concerns += [
        Concern(session.path_of(name), _UNREADABLE.format(node=node[:12], label=target.label, why=error.in_a_line))
        for target in session.targets
        for (name, node), error in target.unreadable.items()
    ]
    return sent_any
