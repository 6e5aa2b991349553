"""Whether a master's history was changed by something that was no push: other bytes than were left, nothing newer.

A push that was killed before it was recorded, or another machine's, leaves a newer head there; a master that was set
back has an older one. Where the newest is the very one that we left, the bytes below it were overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pacha.errors import Concern, PachaError
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget

_DOUBT = (
    "on {label} is not as the last push left it, and nothing newer is there: look at it with 'hg verify', or with "
    "'pacha check' on the master; if it is damaged, move it aside there, and the next push sends all of it again"
)


def flag_rewritten_history(errand: PushSession) -> None:
    """Say of each master that is not as it was left what that means: a concern where it may be damaged."""
    for delivery in errand.reached:
        if delivery.as_left:
            continue
        try:
            delivery.doubted = frozenset(_doubtful(delivery))
        except PachaError as error:
            errand.fail(delivery, error)
            continue
        errand.concerns += [_concern(errand, delivery, name) for name in sorted(delivery.doubted)]
        if not delivery.doubted:
            errand.notices.append(f"{delivery.label} is not as the last push left it: what it lacks is sent again.")


def _doubtful(delivery: MasterTarget) -> Iterator[str]:
    """The repositories whose newest head is the one that we left, though other bytes are there."""
    for name, node in delivery.left.sent.items():
        then, now = delivery.digests(name)
        if then and now and then != now:
            with delivery.talking(name) as peer:
                if peer.heads()[:1] == (node,):
                    yield name


def _concern(errand: PushSession, delivery: MasterTarget, name: str) -> Concern:
    path = os.path.join(errand.context.config.hosts_path, os.fsencode(errand.host), os.fsencode(name))
    return Concern(path, _DOUBT.format(label=delivery.label))
