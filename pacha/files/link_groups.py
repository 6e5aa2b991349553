"""Number the groups of names that share an inode."""

from __future__ import annotations

from collections.abc import Mapping

from pacha.files.entry import Entry


def number_links(
    entries: dict[bytes, Entry], linked: Mapping[tuple[int, int], list[bytes]], known: Mapping[bytes, Entry]
) -> None:
    """Give the hard-link groups among ``entries`` numbers that stay the same from one snapshot to the next.

    ``linked`` has the names of each inode (device, number), ``known`` the entries of the last snapshot. A file with
    only one watched name gets no group. An unreadable path stays in its known group.
    """
    unseen = _unseen_groups(entries, linked)
    numbers: dict[bytes, int] = {}
    used: set[int] = set()
    fresh: list[list[bytes]] = []
    for members in linked.values():
        group = [path for path in members if path in entries]
        before = {known[path].link_group or 0 for path in group if path in known} - used - {0}
        group += unseen.pop(min(before), []) if before else []
        if len(group) > 1 and before:
            used.add(min(before))
            numbers.update(dict.fromkeys(group, min(before)))
        elif len(group) > 1:
            fresh.append(group)
    for number, group in unseen.items():
        if len(group) > 1:
            used.add(number)
            numbers.update(dict.fromkeys(group, number))
    for number, members in enumerate(fresh, max(used, default=0) + 1):
        numbers.update(dict.fromkeys(members, number))
    for path, entry in entries.items():
        if (entry.link_group is not None or path in numbers) and entry.link_group != numbers.get(path):
            entries[path] = entry._replace(link_group=numbers.get(path))


def _unseen_groups(
    entries: Mapping[bytes, Entry], linked: Mapping[tuple[int, int], list[bytes]]
) -> dict[int, list[bytes]]:
    """The known groups of entries that were kept without being scanned, by number."""
    seen = {path for members in linked.values() for path in members}
    groups: dict[int, list[bytes]] = {}
    for path, entry in entries.items():
        if entry.link_group is not None and path not in seen:
            groups.setdefault(entry.link_group, []).append(path)
    return groups
