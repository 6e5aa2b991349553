"""Send to each master what it is missing, ``db`` last, then the heartbeat."""

from __future__ import annotations

from collections.abc import Iterator

from pacha.errors import Concern, ExitCode, PachaError
from pacha.push import signing
from pacha.push.heartbeat import heartbeat
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
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
    session.concerns += [concern for target in session.targets for concern in _unreadable(session, target)]
    return sent_any


def _unreadable(session: PushSession, target: MasterTarget) -> Iterator[Concern]:
    """The concerns about revisions on a master that cannot be read."""
    for (name, node), error in target.unreadable.items():
        reason = _UNREADABLE.format(node=node[:12], label=target.label, why=error.in_a_line)
        yield Concern(session.path_of(name), reason)
