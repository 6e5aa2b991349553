"""Detect a master whose history was rewritten: other bytes than we left, but no newer head.

A push that was killed before it was recorded, or another machine's push, leaves a newer head there; a master that was
set back has an older one. If the newest head is the one that we left, the bytes below it were overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pacha.errors import Concern, PachaError
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget

_SUSPECT = (
    "on {label} is not as the last push left it, and nothing newer is there: look at it with 'hg verify', or with "
    "'pacha check' on the master; if it is damaged, move it aside there, and the next push sends all of it again"
)


def flag_rewritten_history(session: PushSession) -> None:
    """For each master that is not as it was left: a concern if it may be damaged, else a notice."""
    for target in session.reached:
        if target.as_left:
            continue
        try:
            target.suspect = frozenset(_suspect(target))
        except PachaError as error:
            session.fail(target, error)
            continue
        session.concerns += [_concern(session, target, name) for name in sorted(target.suspect)]
        if not target.suspect:
            session.notices.append(f"{target.label} is not as the last push left it: what it lacks is sent again.")


def _suspect(target: MasterTarget) -> Iterator[str]:
    """The repositories with other bytes than we left, whose newest head is still ours."""
    for name, node in target.last_known.sent.items():
        then, now = target.digests(name)
        if then and now and then != now:
            with target.peer(name) as peer:
                if peer.heads()[:1] == (node,):
                    yield name


def _concern(session: PushSession, target: MasterTarget, name: str) -> Concern:
    path = os.path.join(session.context.config.hosts_path, os.fsencode(session.host), os.fsencode(name))
    return Concern(path, _SUSPECT.format(label=target.label))
