"""Compare each master with what the last push left there: set back, emptied, rewritten, or led on by somebody else.

A push that was killed before it was recorded leaves what this machine made: that alone is no concern. Where the newest
head is the very one that we left and the bytes are others, what lies below it was overwritten. A newer ``db`` that is
not ours is ``reconcile``'s to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from pacha.errors import Concern, PachaError
from pacha.files.names import DATABASE
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store import hg
from pacha.store.snapshot import Snapshot

_NOTICE = "{label} is not as the last push left it: what it lacks is sent again."


class _Found(Enum):
    """What became of a repository that is not as it was left: what is told of it, "" for nothing."""

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
        "older state, or somebody else may write there; what is sent goes onto it"
    )
    OURS = ""


def compare_with_last_push(session: PushSession, last: Snapshot) -> None:
    """Tell of each master that is not as it was left; what is there and not ours is pulled by ``reconcile``.

    Under another name than that of the ``last`` snapshot nothing was ever left.
    """
    if last.host not in ("", session.host):
        return
    for target in session.reached:
        if target.as_left:
            continue
        try:
            found = list(_different(session, target))
        except PachaError as error:
            session.fail(target, error)
            continue
        target.suspect = frozenset(name for name, what, _ in found if what is _Found.REWRITTEN)
        session.tell(Concern(session.path_of(name), text) for name, _, text in found if text)
        if found and not any(text for _, _, text in found):
            session.notices.append(_NOTICE.format(label=target.label))


def _different(session: PushSession, target: MasterTarget) -> Iterator[tuple[str, _Found, str]]:
    """Each repository that is not as it was left, what became of it, and what to tell of that.

    Where ``db`` itself is elsewhere, the others have to be: of them only damage is told.
    """
    names = sorted(target.last_known.sent, key=lambda name: name != DATABASE)
    led_elsewhere = False
    for name in names:
        found, newest = _find(session, target, name)
        if found is None:
            continue
        told = found.value if found is _Found.REWRITTEN or not led_elsewhere else ""
        if name == DATABASE and found is _Found.OTHERS:
            told = ""
        left = target.last_known.sent[name]
        yield name, found, told.format(label=target.label, newest=newest[:12], left=left[:12])
        led_elsewhere = led_elsewhere or (name == DATABASE and found is not _Found.REWRITTEN)


def _find(session: PushSession, target: MasterTarget, name: str) -> tuple[_Found | None, str]:
    """What became of one repository, None for nothing, and its newest head."""
    left = target.last_known.sent[name]
    then, now = target.digests(name)
    if now is None:
        return (_Found.GONE if target.was_looked_at(name) else None), ""
    if then == now or not (then or name == DATABASE):
        return None, ""
    with target.peer(name) as peer:
        newest = next(iter(peer.heads()), "")
    if not newest:
        return _Found.GONE, ""
    if newest == left:
        return (_Found.REWRITTEN if then else None), newest  # where nobody knows how it was left, it may be so
    return _relation(session.repository(name), newest, left), newest


def _relation(own: hg.Repository, newest: str, left: str) -> _Found:
    if not own.has(newest):
        return _Found.OTHERS
    return _Found.BEHIND if own.has(left) and own.is_ancestor(newest, left) else _Found.OURS
