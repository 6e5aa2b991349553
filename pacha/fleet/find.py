"""Find paths by their name on all hosts."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate

from pacha.files.paths import name
from pacha.fleet.index import PathState
from pacha.fleet.update import Fleet


@dataclass(frozen=True, slots=True)
class FoundPath:
    """The state of a path, the same on all of ``hosts`` (names, sorted)."""

    path: bytes
    state: PathState
    hosts: tuple[str, ...]


def find(fleet: Fleet, glob: str, hosts: Sequence[str] = ()) -> Iterator[FoundPath]:
    """Yield the paths whose name matches ``glob``, sorted; if it has a ``/``, it must match the whole path.

    Raises UsageError where one of ``hosts`` (globs) matches no host.
    """
    pattern = re.compile(os.fsencode(translate(glob)))
    whole = "/" in glob
    fleet.choose(hosts)
    for number, path in fleet.index.paths():
        if pattern.match(path if whole else name(path)):
            yield from by_state(fleet, number, path)


def by_state(fleet: Fleet, number: int, path: bytes) -> list[FoundPath]:
    """Return the states of a path, whose id is ``number``, on the chosen hosts; that of most hosts comes first."""
    groups: dict[int, list[str]] = {}
    for host, state in fleet.index.entries(number):
        groups.setdefault(state, []).append(fleet.names[host])
    states = [FoundPath(path, fleet.index.state(state), tuple(sorted(members))) for state, members in groups.items()]
    return sorted(states, key=lambda group: (-len(group.hosts), group.hosts))
