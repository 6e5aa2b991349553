"""What becomes of the numbers of a machine's accounts when it gets other account files. Pure but for the id map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pacha.files.owners import Accounts
from pacha.host.orphans import free_number, is_lost
from pacha.store.host_state import Orphans


@dataclass(frozen=True, slots=True)
class IdChanges:
    """Which numbers become others (old -> new), and the names of those whose account is no more, by old number.

    The latter are among the former where they get a number that is nobody's.
    """

    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)
    lost_users: Mapping[int, bytes] = field(default_factory=dict)
    lost_groups: Mapping[int, bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.groups or self.lost_users or self.lost_groups)

    def concern(self, users: Iterable[int], groups: Iterable[int]) -> bool:
        """Whether one of these numbers is another's now."""
        return not (self.users.keys().isdisjoint(users) and self.groups.keys().isdisjoint(groups))

    @property
    def names(self) -> Mapping[tuple[bool, int], bytes]:
        """The names of the accounts that are no more, by whether it is a group and by the number that remains."""
        users = {(False, self.users.get(old, old)): name for old, name in self.lost_users.items()}
        return users | {(True, self.groups.get(old, old)): name for old, name in self.lost_groups.items()}


def id_changes(
    before: Accounts, files: Accounts, after: Accounts, orphans: Iterable[Orphans] = (), *, parks: bool = True
) -> IdChanges:
    """What becomes of the accounts (``before``) of a machine when its account files say ``after``.

    Only those that its account ``files`` had can be lost (a directory service keeps the others), and those for which
    earlier rebuilds left ``orphans``. With ``parks`` what is lost gets a number that is nobody's.
    """
    left = [(one.name, one.number, one.is_group) for one in orphans]
    users = [(name, number) for name, number, is_group in left if not is_group]
    groups = [(name, number) for name, number, is_group in left if is_group]
    maps = ("uid_map", "gid_map") if parks else ("", "")
    moved_users, lost_users = _changes(before.uids, [*files.uids.items(), *users], after.uids, maps[0])
    moved_groups, lost_groups = _changes(before.gids, [*files.gids.items(), *groups], after.gids, maps[1])
    return IdChanges(moved_users, moved_groups, lost_users, lost_groups)


def _changes(
    before: Mapping[bytes, int], files: Sequence[tuple[bytes, int]], after: Mapping[bytes, int], id_map: str
) -> tuple[dict[int, int], dict[int, bytes]]:
    moved: dict[int, int] = {}
    lost: dict[int, bytes] = {}
    for name, number in [*before.items(), *files]:  # of several names for a number the first that is known counts
        if name in after:
            moved.setdefault(number, after[name])
    for name, number in files:
        if number not in moved and is_lost(number):
            lost.setdefault(number, name)
    if id_map:
        taken = {*before.values(), *after.values(), *lost}
        for number in lost:
            moved[number] = free_number(number, taken - {number}, id_map)
            taken.add(moved[number])
    return {old: new for old, new in moved.items() if old != new}, lost
