"""rename: give a host another name on this master.

The keys' lines, the hooks and the last check change first, the folder last: as long as the folder has the old name, a
second run does all of it again, and ends it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

from pacha.errors import UsageError
from pacha.host.context import check_host
from pacha.server import host_keys, moving, retired
from pacha.server.standstill import standstill
from pacha.text import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRename:
    """What a rename moves: the folder, and the lines of keys in the authorized_keys of ``account`` ('': none)."""

    source: bytes
    target: bytes
    account: str
    keys: int


def plan(hosts_path: bytes, old: str, new: str) -> PlannedRename:
    """What renaming ``old`` would do. Changes nothing. Raises UsageError, PachaError."""
    for host in (old, new):
        check_host(host)
    retired.check_not_retired(hosts_path, old)
    status = moving.owner_of(hosts_path, old)
    retired.check_not_retired(hosts_path, new)
    with moving.explained(old):
        _check_free(hosts_path, old, new)
    user = moving.account_of(status.st_uid)
    keys = host_keys.of_account(user, old, hosts_path)[0] if user else []
    source, target = (os.path.join(hosts_path, os.fsencode(host)) for host in (old, new))
    return PlannedRename(source=source, target=target, account=user.pw_name if user else "", keys=len(keys))


def rename(hosts_path: bytes, old: str, new: str, *, now: bool = False) -> None:
    """Rename ``old`` to ``new`` while nobody adds to it, or end what a killed run began; ``now``: as for ``retire``.

    Raises UsageError, PachaError.
    """
    plan(hosts_path, old, new)
    user = moving.account_of(moving.owner_of(hosts_path, old).st_uid)
    with moving.explained(old), ExitStack() as held:
        source, target = (moving.live(hosts_path, host, held) for host in (old, new))
        held.enter_context(nullcontext() if now else standstill(source.folder))
        if user:
            host_keys.rename(user, old, new, hosts_path)
        moving.move_rest(source, target)
        moving.move_folder(source, target)


def _check_free(hosts_path: bytes, old: str, new: str) -> None:
    """Raise UsageError for a name that has a folder, or hooks where ``old`` has some as well. Raises OSError."""
    with ExitStack() as held:
        source, target = (moving.live(hosts_path, host, held) for host in (old, new))
        both_have_hooks = source.hooks and target.hooks and source.hooks.is_there() and target.hooks.is_there()
        if not target.folder.is_there() and not both_have_hooks:
            return
    taken = os.path.join(hosts_path, *([b".hooks"] if both_have_hooks else []), os.fsencode(new))
    raise UsageError(
        f"The name '{new}' is taken.",
        f"there is {escape(taken)}",
        "Choose another name, or move that away first: pacha retire, pacha rename",
        code="host-name-taken",
    )
