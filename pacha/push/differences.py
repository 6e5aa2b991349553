"""Compare what this machine watches with what a snapshot from elsewhere says, and tell of it. Pure.

What is watched, and by which rules, is this machine's word alone; a snapshot from elsewhere says what was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pacha.errors import Concern
from pacha.files.names import repository_name
from pacha.store.snapshot import Watched
from pacha.text import escape

_MOST_TOLD = 20  #: paths of one snapshot; whoever forges one must not hide the rest of what there is to tell
_MOST_NAMES = 500  #: repositories that only the other names
_LONGEST_RULES = 200  #: characters


def of_watched(mine: Sequence[Watched], theirs: Sequence[Watched], where: str) -> list[Concern]:
    """A concern for each path of which ``theirs``, those of ``where``, would decide something else than ``mine``."""
    told = list(_differences([one for one in mine if not one.retired], theirs, where))
    if len(told) > _MOST_TOLD:
        more = f"and {len(told) - _MOST_TOLD} more paths are watched otherwise in {where}; what is said here counts"
        told[_MOST_TOLD:] = [Concern(told[_MOST_TOLD].path, more)]
    return told


def _differences(mine: Sequence[Watched], theirs: Sequence[Watched], where: str) -> Iterator[Concern]:
    live = {one.path: one for one in theirs if not one.retired}
    retired = {one.path for one in theirs if one.retired}
    for one in mine:
        if (other := live.pop(one.path, None)) is not None:
            yield from (Concern(one.path, f"{what}; what is said here counts") for what in _rules(one, other, where))
        else:
            how = "no longer watched" if one.path in retired else "not watched"
            yield Concern(one.path, f"is watched here, and {how} in {where}; it stays watched")
    for other in live.values():
        rest = f"is watched in {where}, and not here; it is not kept (if it should be: pacha watch)"
        yield Concern(other.path, rest)


def _rules(mine: Watched, theirs: Watched, where: str) -> Iterator[str]:
    """How two watched paths of one place differ, in words, both sides."""
    if mine.single != theirs.single:
        kinds = {False: "a folder", True: "a single file"}
        yield f"is {kinds[mine.single]} here, and {kinds[theirs.single]} in {where}"
    if mine.exclude != theirs.exclude:
        here, there = _listed(mine.exclude), _listed(theirs.exclude)
        yield f"what is left out differs from {where}: here: {here}; there: {there}"
    if mine.one_filesystem != theirs.one_filesystem:
        how = {False: "crosses", True: "does not cross"}
        yield f"{how[mine.one_filesystem]} file systems here, and {how[theirs.one_filesystem]} them in {where}"


def _listed(rules: Sequence[str]) -> str:
    text = escape(", ".join(rules).encode("utf-8", "surrogateescape")) or "none"
    return text if len(text) <= _LONGEST_RULES else f"{text[:_LONGEST_RULES]}..."


def with_names(mine: Sequence[Watched], theirs: Sequence[Watched]) -> tuple[Watched, ...]:
    """``mine`` with the names of repositories where none was used yet, then the names that only ``theirs`` has.

    A path that was never kept here goes on in the repository that ``theirs`` has for it, and takes none that
    ``theirs`` has for another. The rest of those names are kept as retired, without their rules, so that they are
    never given to another path.
    """
    used = {one.repository for one in mine if one.node is not None or one.retired}
    named: list[Watched] = []
    for one in mine:
        if one.node is None and not one.retired:
            one = replace(one, repository=_name(one, theirs, used))
            used.add(one.repository)
        named.append(one)
    taken = {one.repository.lower() for one in named}
    others = [one for one in theirs if one.repository.lower() not in taken][:_MOST_NAMES]
    retired = (replace(one, node=None, exclude=(), one_filesystem=False, retired=True) for one in others)
    return (*named, *retired)


def _name(watched: Watched, theirs: Sequence[Watched], used: set[str]) -> str:
    """The repository for ``watched``, which has none yet."""
    lowered = {name.lower() for name in used}
    for other in theirs:
        if (other.path, other.single) == (watched.path, watched.single) and other.repository.lower() not in lowered:
            return other.repository
    if watched.repository.lower() not in lowered | {other.repository.lower() for other in theirs}:
        return watched.repository
    return repository_name(watched.path, [*used, *(other.repository for other in theirs)])
