"""This host's own history in its state folder, in the place of a master's: no line is needed."""

from __future__ import annotations

import os
import time

from pacha.errors import DamagedError, UsageError
from pacha.host.context import Context
from pacha.rebuild.planning import RebuildOptions
from pacha.store.revspec import choose
from pacha.store.snapshot import Snapshot
from pacha.wire.local_master import StateFolderMaster


def master(context: Context, host: str, choices: RebuildOptions) -> StateFolderMaster | None:
    """The state folder as a master, if ``host`` is this one and its history has what ``choices`` asks for.

    That is a part, or a moment: a whole rebuild of the newest snapshot is for the master to give, since only
    that is sure to be the newest. Hooks are the master's, too.
    """
    if choices.by_master or choices.hooks or not (choices.at or choices.asked) or host != context.hostname():
        return None
    from pacha.store import history

    try:
        made = history.made(context.state)
        if made:
            node = choose(choices.at, made, time.time()).node if choices.at else made[0].node
            if _is_whole(context, host, history.read(context.state, node)):
                return StateFolderMaster(os.fsencode(context.state.path / "repos"))
    except (UsageError, DamagedError):
        pass  # the master may know better
    return None


def _is_whole(context: Context, host: str, snapshot: Snapshot) -> bool:
    from pacha.store import hg

    for watched in snapshot.live:
        path = context.state.repository(watched.repository)
        if watched.node is not None and not (
            os.path.isdir(path) and hg.Repository.open(path, heal=False).has(watched.node)
        ):
            return False
    return snapshot.host == host
