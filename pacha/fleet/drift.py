"""Group hosts by what they have at a path, or by the version of a package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pacha.errors import UsageError
from pacha.files.entry import Kind
from pacha.files.exclude import Rules
from pacha.files.paths import ancestors, is_within, name
from pacha.fleet.collect import SEALED
from pacha.fleet.contents import Contents
from pacha.fleet.find import FoundPath, by_state
from pacha.fleet.index import IndexedHost, PathState
from pacha.fleet.update import Fleet
from pacha.store import hg
from pacha.store.snapshot import Watched
from pacha.text import escape

_LARGEST = 1 << 20  #: bytes of a content that is compared line by line
_MOST = 32 << 20  #: bytes of all contents that are compared line by line


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGroup:
    """Hosts (names, sorted) that have the same ``state`` of a path, or ``version`` of a package; None, "": nothing."""

    hosts: tuple[str, ...]
    state: PathState | None = None
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The groups of hosts for a path or a package (``subject``), the largest first.

    ``unwatched`` are the hosts that do not watch the path, whatever they have there.
    """

    subject: bytes
    groups: tuple[HostGroup, ...]
    unwatched: tuple[str, ...] = ()


def drift_of_path(fleet: Fleet, path: bytes, hosts: Sequence[str] = (), *, content_only: bool = False) -> Drift:
    """Return what hosts have at ``path`` itself. Raises UsageError where none has it."""
    chosen = fleet.choose(hosts)
    number = next((number for number, found in fleet.index.paths(path) if found == path), None)
    found = by_state(fleet, number, path) if number is not None else []
    if not found:
        raise UsageError(
            f"{escape(path)} is on none of these hosts.",
            f"{len(chosen)} were asked",
            "Look for it by its name: pacha find NAME",
            code="path-on-no-host",
        )
    return _drift(path, found, chosen, _Watching(fleet, chosen), content_only=content_only)


def drift_below(
    fleet: Fleet,
    folder: bytes,
    hosts: Sequence[str] = (),
    *,
    content_only: bool = False,
    ignore: Sequence[str] = (),
    unlike: str = "",
) -> Iterator[Drift]:
    """Yield what differs at or below ``folder``, by path. ``unlike``: only where that host differs from all others.

    ``ignore``: patterns as in ``pacha.exclude``; ``content_only``: owners and modes may differ. Raises UsageError,
    ConfigError.
    """
    chosen, rules = fleet.choose(hosts), Rules.of_setting("pacha.drift.ignore", ignore)
    watching = _Watching(fleet, chosen)
    for number, path in fleet.index.paths(folder):
        states = by_state(fleet, number, path)
        if not states or (len(states) == 1 and len(states[0].hosts) == len(chosen)):
            continue
        if rules.match_with_parents(path):
            continue
        drift = _drift(path, states, chosen, watching, content_only=content_only)
        if len(drift.groups) > 1 and (not unlike or (unlike,) in [group.hosts for group in drift.groups]):
            yield drift


def drift_at(
    fleet: Fleet,
    path: bytes,
    hosts: Sequence[str] = (),
    *,
    content_only: bool = False,
    ignore: Sequence[str] = (),
    unlike: str = "",
) -> list[Drift]:
    """Return what ``drift_below`` yields for ``path``. Where nothing differs, return what all hosts have there.

    For the root and with ``unlike``, return nothing then. Raises UsageError where no host has the path.
    """
    below = list(drift_below(fleet, path, hosts, content_only=content_only, ignore=ignore, unlike=unlike))
    if below or unlike or path == b"/":
        return below
    return [drift_of_path(fleet, path, hosts, content_only=content_only)]


def drift_of_packages(fleet: Fleet, hosts: Sequence[str] = ()) -> Iterator[Drift]:
    """Yield the packages that differ between the hosts with a list of packages, by name. Raises UsageError."""
    fleet.choose(hosts)
    packages: dict[tuple[str, str], dict[str, list[str]]] = {}
    listed: set[str] = set()
    for package, architecture, version, host in fleet.index.packages():
        packages.setdefault((package, architecture), {}).setdefault(version, []).append(fleet.names[host])
        listed.add(fleet.names[host])
    for (package, architecture), versions in packages.items():
        without = listed.difference(*versions.values())
        groups = [HostGroup(hosts=tuple(sorted(members)), version=version) for version, members in versions.items()]
        groups += [HostGroup(hosts=tuple(sorted(without)))] if without else []
        if len(groups) > 1:
            yield Drift(subject=f"{package}:{architecture}".encode(), groups=_largest_first(groups))


def _drift(
    path: bytes, found: Sequence[FoundPath], chosen: Sequence[IndexedHost], watching: _Watching, *, content_only: bool
) -> Drift:
    groups: dict[tuple[object, ...], list[FoundPath]] = {}
    for each in found:
        state = each.state
        key = (state.kind, state.content, *(() if content_only else (state.owner, state.group, state.mode)))
        groups.setdefault(key, []).append(each)
    merged = [
        HostGroup(hosts=tuple(sorted(host for each in members for host in each.hosts)), state=members[0].state)
        for members in groups.values()
    ]
    having = {host for group in merged for host in group.hosts}
    without = [host for host in chosen if host.name not in having]
    absent = tuple(host.name for host in without if watching.keeps(host.id, path))
    unwatched = tuple(host.name for host in without if host.name not in absent)
    merged += [HostGroup(hosts=absent)] if absent else []
    return Drift(subject=path, groups=_largest_first(merged), unwatched=unwatched)


def _largest_first(groups: Iterable[HostGroup]) -> tuple[HostGroup, ...]:
    return tuple(sorted(groups, key=lambda group: (-len(group.hosts), group.hosts)))


class _Watching:
    """Finds out whether a host would keep a path if it had it."""

    def __init__(self, fleet: Fleet, chosen: Sequence[IndexedHost]) -> None:
        compiled: dict[tuple[str, ...], Rules] = {}
        self._roots: dict[int, list[tuple[Watched, Rules]]] = {}
        for host in chosen:
            for root in fleet.index.watched(host.id):
                rules = compiled.setdefault(root.exclude, Rules.of(root.exclude))
                self._roots.setdefault(host.id, []).append((root, rules))

    def keeps(self, host: int, path: bytes) -> bool:
        return any(
            root.holds(path) and not _is_excluded(rules, root, path) for root, rules in self._roots.get(host, ())
        )


def _is_excluded(rules: Rules, root: Watched, path: bytes) -> bool:
    above = [folder for folder in ancestors(path) if folder != root.path and is_within(folder, root.path)]
    return any(rules.match(name(each), root.relative(each), each, each != path) for each in (path, *above))


def readable_diffs(
    fleet: Fleet, drifts: Sequence[Drift], faults: list[str]
) -> Mapping[tuple[bytes, bytes], tuple[bytes, ...]]:
    """Return unified diffs (lines) from the largest group's content to each other content, by both SHA-256.

    Binary and large contents are left out. So are those that cannot be read: ``faults`` gets a line for each such host.
    """
    wanted = list(_wanted(drifts))
    watched = {host.name: fleet.index.watched(host.id) for host in fleet.hosts}
    contents = Contents(fleet, wanted, watched)
    answers = contents.each(
        lambda data: None if b"\0" in data else data.decode("latin-1"),
        lambda text: None if text is None else text.encode("latin-1"),
    )
    texts = {sha: text for sha, text in answers if text is not None}
    faults += [f"{host}: {fault}" for host, fault in contents.faults.items()]
    diffs: dict[tuple[bytes, bytes], tuple[bytes, ...]] = {}
    for drift in drifts:
        reference, *others = [group.state.content for group in _files(drift)] or [b""]
        for other in others:
            if other != reference and {reference, other} <= texts.keys() and (reference, other) not in diffs:
                diffs[reference, other] = tuple(hg.unified(texts[reference], texts[other]))
    return diffs


def _wanted(drifts: Iterable[Drift]) -> Iterator[FoundPath]:
    room = _MOST
    for drift in drifts:
        files = _files(drift)
        if len({group.state.content for group in files}) > 1:
            for group in files:
                room -= group.state.size
                if group.state.size <= _LARGEST and room > 0:
                    yield group


def _files(drift: Drift) -> list[FoundPath]:
    """Return the files that the groups have, that of the largest group first; not sealed ones."""
    return [
        FoundPath(drift.subject, group.state, group.hosts)
        for group in drift.groups
        if group.state is not None and group.state.kind == Kind.FILE.value and group.state.content != SEALED
    ]


def absolute(path: str) -> bytes:
    """Return ``path``, one on the hosts, as normalised bytes. Raises UsageError unless it is absolute."""
    if not path.startswith("/"):
        raise UsageError(
            f"'{escape(path[:200])}' is not an absolute path.",
            "it is a path on the hosts, not on this machine",
            "Begin it with a '/'.",
            code="path-not-absolute",
        )
    return b"/" + os.path.normpath(os.fsencode(path)).lstrip(b"/")
