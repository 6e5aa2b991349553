"""Compare each master with what the last push left: was it set back, emptied or rewritten, or did others write to it?

A push that was killed before it was recorded leaves what this machine made, which is not a concern. If the newest head
is the one that we left, but the bytes are others, what is below it was overwritten. ``reconcile`` reports a newer
``db`` that is not ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from pacha.errors import Concern, PachaError
from pacha.files.names import DATABASE
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store.snapshot import Snapshot

_NOTICE = "{label} is not as the last push left it: what it lacks is sent again."


class _Difference(Enum):
    """How a repository differs from what was left. The value is the text of its concern, "" for none."""

    REWRITTEN = (
        "on {label} is not as the last push left it, and nothing newer is there: look at it with 'hg verify', or with "
        "'pacha check' on the master; if it is damaged, move it aside there, and the next push sends all of it again"
    )
    GONE = "is gone from {label}, though the last push left it there; all of it is sent again"
    BEHIND = (
        "on {label} is older than the last push left it ({newest} is its newest revision now, it was {left}): it was "
        "set back; what it lacks is sent again"
    )
    OTHERS = (
        "has the revision {newest} on {label}, which this machine does not remember making: it was set back to an "
        "older state or cloned, or somebody else may write there; what is sent goes onto it"
    )
    OURS = ""


def compare_with_last_push(session: PushSession, last: Snapshot) -> None:
    """Add a concern or a notice for each master that is not as it was left. ``reconcile`` pulls what is not ours.

    Does nothing for a push under another name than the ``last`` snapshot's: nothing was left under that.
    """
    if last.host not in ("", session.host):
        return
    for target in session.reached:
        if target.all_as_left:
            continue
        try:
            differences = list(_different(session, target))
        except PachaError as error:
            session.fail(target, error)
            continue
        target.suspect = frozenset(name for name, difference, _ in differences if difference is _Difference.REWRITTEN)
        session.tell(Concern(session.path_of(name), text) for name, _, text in differences if text)
        if differences and not any(text for _, _, text in differences):
            session.notices.append(_NOTICE.format(label=target.label))


def compare_after_push(session: PushSession) -> None:
    """Add a concern for each head that came to a master from somebody else after ``compare_with_last_push``.

    What comes after we have sent is found by the next push that sends something.
    """
    for target in session.reached:
        for name, newest in target.arrived.items():
            text = _Difference.OTHERS.value.format(label=target.label, newest=newest[:12])
            session.tell([Concern(session.path_of(name), text)])


def _different(session: PushSession, target: MasterTarget) -> Iterator[tuple[str, _Difference, str]]:
    """Yield each repository that is not as it was left, its difference, and the text of a concern.

    If ``db`` differs, the others have to differ as well: for them only damage is a concern.
    """
    names = sorted(target.last_known.sent, key=lambda name: name != DATABASE)
    db_differs = False
    for name in names:
        difference, newest = _find(session, target, name)
        if difference is None:
            continue
        message = difference.value if difference is _Difference.REWRITTEN or not db_differs else ""
        if name == DATABASE and difference is _Difference.OTHERS:
            message = ""
        left = target.last_known.sent[name]
        yield name, difference, message.format(label=target.label, newest=newest[:12], left=left[:12])
        db_differs = db_differs or (name == DATABASE and difference is not _Difference.REWRITTEN)


def _find(session: PushSession, target: MasterTarget, name: str) -> tuple[_Difference | None, str]:
    """The difference of a repository, None for none, and its newest head."""
    left = target.last_known.sent[name]
    then, now = target.digests(name)
    if now is None:
        return (_Difference.GONE if target.was_looked_at(name) else None), ""
    if then == now or not (then or name == DATABASE):
        return None, ""
    with target.conversations.peer(name) as peer:
        newest = next(iter(peer.heads()), "")
    if not newest:
        return _Difference.GONE, ""
    if newest == left:
        return (_Difference.REWRITTEN if then else None), newest  # without a remembered digest it may be as it was left
    own = session.repository(name)
    if not own.has(newest):
        return _Difference.OTHERS, newest
    if not own.has(left) or own.is_ancestor(newest, left):  # what was left is lost here, too: a power cut
        return _Difference.BEHIND, newest
    return _Difference.OURS, newest
