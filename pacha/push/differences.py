"""Compare what this machine watches with a snapshot from elsewhere, and report the differences. Pure.

This machine alone decides what is watched, and by which rules; a snapshot from elsewhere decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pacha.errors import Concern
from pacha.files.names import repository_name
from pacha.store.snapshot import Watched
from pacha.text import escape

_MOST_TOLD = 20  #: paths of one snapshot; a forged one must not hide the other concerns
_MOST_NAMES = 500  #: repositories that only the other snapshot names
_LONGEST_RULES = 200  #: characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """What comes of a difference, as the end of its concern: other ``rules``, watched ``only_here``, ``only_there``."""

    rules: str
    only_here: str
    only_there: str


#: After a push: what is said here counts.
OBEYS_ITSELF = Consequence(
    rules="what is said here counts",
    only_here="it stays watched",
    only_there="it is not kept (if it should be: pacha watch)",
)
#: After a rebuild that adopts the snapshot.
ADOPTED = Consequence(
    rules="what is said there counts after the rebuild",
    only_here="it is not watched after the rebuild (pacha watch adds it again)",
    only_there="it is watched after the rebuild",
)


def of_watched(
    local: Sequence[Watched], remote: Sequence[Watched], where: str, consequence: Consequence = OBEYS_ITSELF
) -> list[Concern]:
    """A concern for each path that ``local`` and ``remote``, the watched paths of ``where``, treat differently."""
    concerns = list(_differences([watched for watched in local if not watched.retired], remote, where, consequence))
    if len(concerns) > _MOST_TOLD:
        more = f"and {len(concerns) - _MOST_TOLD} more paths are watched otherwise in {where}; {consequence.rules}"
        concerns[_MOST_TOLD:] = [Concern(concerns[_MOST_TOLD].path, more)]
    return concerns


def _differences(
    local: Sequence[Watched], remote: Sequence[Watched], where: str, consequence: Consequence
) -> Iterator[Concern]:
    live = {watched.path: watched for watched in remote if not watched.retired}
    retired = {watched.path for watched in remote if watched.retired}
    for watched in local:
        if (counterpart := live.pop(watched.path, None)) is not None:
            for difference in _rules(watched, counterpart, where):
                yield Concern(watched.path, f"{difference}; {consequence.rules}")
        else:
            how = "no longer watched" if watched.path in retired else "not watched"
            yield Concern(watched.path, f"is watched here, and {how} in {where}; {consequence.only_here}")
    for counterpart in live.values():
        yield Concern(counterpart.path, f"is watched in {where}, and not here; {consequence.only_there}")


def _rules(local: Watched, remote: Watched, where: str) -> Iterator[str]:
    """The differences of two rows for the same path, as text that shows both sides."""
    if local.single != remote.single:
        kinds = {False: "a folder", True: "a single file"}
        yield f"is {kinds[local.single]} here, and {kinds[remote.single]} in {where}"
    if local.exclude != remote.exclude:
        here, there = rules_text(local.exclude), rules_text(remote.exclude)
        yield f"what is left out differs from {where}: here: {here}; there: {there}"
    if local.one_filesystem != remote.one_filesystem:
        how = {False: "crosses", True: "does not cross"}
        yield f"{how[local.one_filesystem]} file systems here, and {how[remote.one_filesystem]} them in {where}"


def rules_text(rules: Sequence[str]) -> str:
    """Exclude rules for people, safe to print and not too long; "none" for none."""
    text = escape(", ".join(rules).encode("utf-8", "surrogateescape")) or "none"
    return text if len(text) <= _LONGEST_RULES else f"{text[:_LONGEST_RULES]}..."


def with_names(local: Sequence[Watched], remote: Sequence[Watched]) -> tuple[Watched, ...]:
    """``local``, with repository names for paths that were never pushed, and the names that only ``remote`` has.

    Such a path continues in the repository that ``remote`` has for it, and gets no name that ``remote`` has for another
    path. The rest of those names stay as retired rows without rules, so that no other path ever gets them.
    """
    used = {watched.repository for watched in local if watched.node is not None or watched.retired}
    with_name: list[Watched] = []
    for watched in local:
        if watched.node is None and not watched.retired:
            watched = replace(watched, repository=_name(watched, remote, used))
            used.add(watched.repository)
        with_name.append(watched)
    used_names = {watched.repository.lower() for watched in with_name}
    rest = [watched for watched in remote if watched.repository.lower() not in used_names][:_MOST_NAMES]
    retired = (replace(watched, node=None, exclude=(), one_filesystem=False, retired=True) for watched in rest)
    return (*with_name, *retired)


def _name(watched: Watched, remote: Sequence[Watched], used: set[str]) -> str:
    """The repository for ``watched``, which has none yet."""
    lowered = {name.lower() for name in used}
    for entry in remote:
        if (entry.path, entry.single) == (watched.path, watched.single) and entry.repository.lower() not in lowered:
            return entry.repository
    if watched.repository.lower() not in lowered | {entry.repository.lower() for entry in remote}:
        return watched.repository
    return repository_name(watched.path, [*used, *(entry.repository for entry in remote)])
