"""Which numbers of a machine's accounts change when it gets other account files. Pure but for the id map."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pacha.files.owners import Accounts
from pacha.host.orphans import free_number, is_lost
from pacha.store.host_state import Orphans


@dataclass(frozen=True, slots=True)
class IdChanges:
    """Which numbers change (old -> new), and the names of the accounts that are lost, by old number.

    A lost account is in both where it gets a number that nobody has.
    """

    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)
    lost_users: Mapping[int, bytes] = field(default_factory=dict)
    lost_groups: Mapping[int, bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.lost_users or self.lost_groups)

    def concern(self, users: Iterable[int], groups: Iterable[int]) -> bool:
        """Whether one of these numbers changes."""
        return not (self.users.keys().isdisjoint(users) and self.groups.keys().isdisjoint(groups))

    @property
    def names(self) -> Mapping[tuple[bool, int], bytes]:
        """The names of the lost accounts, by whether it is a group and by the number that their files have now."""
        users = {(False, self.users.get(old, old)): name for old, name in self.lost_users.items()}
        return users | {(True, self.groups.get(old, old)): name for old, name in self.lost_groups.items()}


def id_changes(
    before: Accounts, files: Accounts, after: Accounts, orphans: Iterable[Orphans] = (), *, parks: bool = True
) -> IdChanges:
    """The changes between the accounts ``before`` on a machine and those ``after``, in its new account files.

    Only the accounts in its old account ``files`` can be lost (a directory service keeps the others), and those for
    which earlier rebuilds left ``orphans``. With ``parks`` a lost account gets a number that nobody has.
    """
    earlier = list(orphans)
    users = [(orphan.name, orphan.number) for orphan in earlier if not orphan.is_group]
    groups = [(orphan.name, orphan.number) for orphan in earlier if orphan.is_group]
    maps = ("uid_map", "gid_map") if parks else ("", "")
    moved_users, lost_users = _changes(before.uids, [*files.uids.items(), *users], after.uids, maps[0])
    moved_groups, lost_groups = _changes(before.gids, [*files.gids.items(), *groups], after.gids, maps[1])
    return IdChanges(moved_users, moved_groups, lost_users, lost_groups)


def _changes(
    before: Mapping[bytes, int], files: Sequence[tuple[bytes, int]], after: Mapping[bytes, int], id_map: str
) -> tuple[dict[int, int], dict[int, bytes]]:
    moved: dict[int, int] = {}
    lost: dict[int, bytes] = {}
    asked = [(name, before[name]) for name in after if name in before]  # a directory does not list its names
    for name, number in [*before.items(), *files, *asked]:  # the first known name of a number counts
        if name in after:
            moved.setdefault(number, after[name])
    for name, number in files:
        if number not in moved and is_lost(number):
            lost.setdefault(number, name)
    if id_map:
        used = {*before.values(), *after.values(), *lost}
        own = defaultdict[bytes, set[int]](set)  # also the number that a killed rebuild was to give an account
        for number, name in lost.items():
            own[name].add(number)
        for number, name in lost.items():
            moved[number] = free_number(number, used - own[name], id_map)
            used.add(moved[number])
    return {old: new for old, new in moved.items() if old != new}, lost
