"""The accounts that a snapshot records, and concerns about owners that have no name now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from pacha.errors import Concern
from pacha.files import acl, owners, user_namespace
from pacha.files.entry import Entry
from pacha.files.name_service import NSSWITCH, KnownNames
from pacha.store.recorded import summary_of
from pacha.text import escape

_KEPT = (
    "its {kind} {number} has no name now, as if the directory service did not answer; it stays recorded as {name}'s. "
    "If that account is no more, give its files to another (chown), or record the number alone: pacha push --accept"
)
_UNMAPPED = (
    "its {kind} is one that this user namespace does not map ({count} paths have such); only root outside of it "
    "can tell whose they are: they are recorded as nobody's, and a rebuild gives them to root alone"
)


def recorded_accounts(
    entries: Mapping[bytes, Entry],
    parents: Mapping[bytes, Entry],
    machine: owners.Accounts,
    recorded: Iterable[owners.Account],
) -> tuple[owners.Account, ...]:
    """The accounts of all owners, also in ACLs, so that a new machine can be told how to make them.

    Those for which nothing answers now stay as they were ``recorded``.
    """
    summaries = [summary_of(entries), summary_of(parents)]
    users = {owner for summary in summaries for _, owner, _, _ in summary.owners}
    groups = {group for summary in summaries for _, _, _, group in summary.owners}
    for xattrs in summaries[0].xattrs | summaries[1].xattrs:
        uids, gids = acl.numbers(xattrs)
        users |= {machine.user_name(uid) for uid in uids}
        groups |= {machine.group_name(gid) for gid in gids}
    described = owners.describe(users - {None}, groups - {None})  # type: ignore[arg-type]
    names = {(account.is_group, account.name) for account in described}
    unanswered = [account for account in recorded if (account.is_group, account.name) not in names]
    kept_users = [user for user in unanswered if not user.is_group and user.name in users]
    primary_gids = {user.gid for user in kept_users}
    groups.update(*(user.groups for user in kept_users))
    kept_groups = [
        group for group in unanswered if group.is_group and (group.name in groups or group.number in primary_gids)
    ]
    every = (*described, *kept_users, *kept_groups)
    return tuple(sorted(every, key=lambda account: (not account.is_group, account.name)))


def unmapped(entries: Mapping[bytes, Entry]) -> Iterator[Concern]:
    """A concern for paths of users, and one for paths of groups, that this process's user namespace does not map."""
    if not user_namespace.is_partial():
        return
    every = entries.values()
    users = [each.path for each in every if each.owner is None and each.uid == user_namespace.OVERFLOW]
    groups = [each.path for each in every if each.group is None and each.gid == user_namespace.OVERFLOW]
    for kind, having in (("owner", users), ("group", groups)):
        if having:
            yield Concern(min(having), _UNMAPPED.format(kind=kind, count=len(having)))


def kept_names(names: KnownNames, entries: Mapping[bytes, Entry]) -> Iterator[Concern]:
    """A concern for each number that keeps the name that it was recorded with, at the first path that has it."""
    for kind, kept in (("owner", names.users), ("group", names.groups)):
        for number, name in sorted(kept.items()):
            having = (
                path for path, entry in entries.items() if number == (entry.uid if kind == "owner" else entry.gid)
            )
            where = min(having, default=os.fsencode(NSSWITCH))
            yield Concern(where, _KEPT.format(kind=kind, number=number, name=escape(name)))
