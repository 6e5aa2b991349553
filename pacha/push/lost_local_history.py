"""A history in the state folder that is gone before a master had all of it, for example after a crash.

Its past is lost; what it was of is still there. So the next push records that anew, and says so: else each push would
end where it sends what nobody has.
"""

from __future__ import annotations

from collections.abc import Mapping

from pacha.errors import Concern
from pacha.files.entry import Entry
from pacha.push.session import PushSession
from pacha.store.snapshot import Snapshot

_RECORDED_ANEW = (
    "its history in the state folder is gone, and no master has what was recorded last: all of it was recorded anew, "
    "as it is now; what it was in snapshots that never reached a master is lost"
)


def is_lost(session: PushSession, name: str, node: str | None) -> bool:
    """Whether neither the repository ``name`` here has the revision ``node``, nor a master, as far as is known.

    A master that is not reached may have it if it has anything of that repository. Opens the repository only where no
    master has the revision.
    """
    reached = session.reached
    may_have = any(
        target.sent.get(name) == node if target in reached else name in target.last_known.sent
        for target in session.targets
    )
    return bool(node) and not may_have and not session.repository(name).has(node or "")


def to_record(session: PushSession, new: Snapshot) -> dict[bytes, tuple[Mapping[bytes, Entry], Mapping[bytes, Entry]]]:
    """The watched paths that must be recorded anew, each with no old entries and all of its new ones."""
    return {top.path: ({}, new.below(top)) for top in new.live if is_lost(session, top.repository, top.node)}


def tell(session: PushSession, path: bytes) -> None:
    """Tell that the history of ``path`` was lost."""
    session.tell([Concern(path, _RECORDED_ANEW)])
