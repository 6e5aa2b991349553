"""Compare two snapshots, or one with the disk: content and metadata, path by path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pacha.errors import Concern, PurgedError, UsageError
from pacha.files import content, keyed, scan
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind
from pacha.files.entry_changes import Change, differences
from pacha.files.exclude import Rules
from pacha.files.name_service import known_names
from pacha.files.owners import Accounts
from pacha.files.paths import is_within, is_within_any
from pacha.history.companions import find_text
from pacha.history.reader import History
from pacha.host import packages, watch
from pacha.host.context import Context
from pacha.host.packages import Told
from pacha.machine.packages import changes, package_list
from pacha.machine.packages.changes import PackageChange
from pacha.sealing.keys import secrets_in
from pacha.sealing.rules import SealRules
from pacha.store import database, hg, scan_cache
from pacha.store.companions import PACKAGES
from pacha.store.snapshot import Watched
from pacha.text import escape

#: Returns the content of a file that is not large; None where it cannot be read.
Content = Callable[[Entry], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a comparison: its label for people, its entries, their content.

    ``watched``: what it keeps, with the rules; None for a side that keeps everything. ``packages`` returns the text of
    its packages, None where it does not say which it has.
    """

    label: str
    entries: Mapping[bytes, Entry]
    content: Content
    concerns: tuple[Concern, ...] = ()
    watched: tuple[Watched, ...] | None = None
    packages: Callable[[], bytes | None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A path that differs; ``old`` or ``new`` is None where it is missing. ``changes``: the aspects, where both exist.

    ``hunks``: the lines of a unified diff of the content; None where it is the same, large or binary. ``unwatched``: it
    is missing in the new side because it is not watched any more, or excluded, which says nothing of the file.
    ``purged``: why the content of a side is not there any more, "" where it is.
    """

    path: bytes
    old: Entry | None
    new: Entry | None
    changes: tuple[Change, ...] = ()
    hunks: tuple[bytes, ...] | None = None
    unwatched: bool = False
    purged: str = ""

    @property
    def sealed(self) -> str:
        """What can be said of content that is sealed on a side, "" where neither is or nothing changed."""
        if not (_is_sealed(self.old) or _is_sealed(self.new)):
            return ""
        same = self.old and self.new and (self.old.sha256, self.old.size) == (self.new.sha256, self.new.size)
        return "" if same else "sealed content (changed)"

    @property
    def letter(self) -> str:
        """The kind of change, as ``pacha push -v`` prints it; U for what is unwatched."""
        if self.unwatched:
            return "U"
        if self.old is None or self.new is None:
            return "A" if self.old is None else "R"
        same = (self.old.kind, self.old.sha256, self.old.target, self.old.device)
        return "m" if same == (self.new.kind, self.new.sha256, self.new.target, self.new.device) else "M"


def sides(
    context: Context, history: History, start: str = "", end: str = "", *, change: str = "", with_packages: bool = False
) -> tuple[Side, Side]:
    """The two sides: the snapshots ``start`` and ``end``, or those before and after ``change`` (each a WHEN).

    Without ``end``: this machine's disk, or, for another host, the newest snapshot. Without ``start``: the newest
    snapshot before that. ``with_packages``: the disk tells its packages too. Raises UsageError, DamagedError.
    """
    if change:
        revision = history.find(change)
        return of_snapshot(history, history.before(revision)), of_snapshot(history, revision)
    if end:
        return of_snapshot(history, history.find(start)), of_snapshot(history, history.find(end))
    if history.own:
        return of_snapshot(history, history.find(start)), of_disk(context, with_packages)
    newest = history.find("")
    return of_snapshot(history, history.find(start) if start else history.before(newest)), of_snapshot(history, newest)


def of_snapshot(history: History, revision: hg.Revision | None) -> Side:
    """A snapshot as a side; None: before the first one."""
    if revision is None:
        return Side(label="nothing", entries={}, content=lambda entry: b"")
    snapshot = history.snapshot(revision)
    return Side(
        label=revision.node[:12],
        entries=snapshot.entries,
        content=lambda entry: b"".join(history.content(snapshot, entry)),
        watched=snapshot.live,
        packages=lambda: find_text(history, revision, snapshot, PACKAGES),
    )


def of_disk(context: Context, with_packages: bool = False) -> Side:
    """The watched paths as they are on disk now; ``with_packages``: also the packages of this machine."""
    last = database.read(context.state.database)
    fingerprints = scan_cache.read(context.state.cache, context.state.database)
    fingerprints.are_recorded = False  # an account may have another name since
    watched = watch.effective_rules(context, last.watched)
    names = known_names(Accounts.of_machine(), last.accounts)
    mounted = context.state.read().mounted
    keys = secrets_in(context.state.path)
    result = scan.scan(watch.scan_targets(watched), last.entries, fingerprints, names.accounts, mounted, keys=keys)
    roots = [root for root in watched if not root.retired]
    seal, tops = context.config.seal, [root.path for root in roots]
    wanted = SealRules(seal, tops).wanted(result.entries)
    entries = {path: _digested(entry, roots, path in wanted) for path, entry in result.entries.items()}
    told = packages.tell(context.state, remember=False, sealed=seal, roots=tops) if with_packages else Told()
    return Side(
        label="now",
        entries=entries,
        content=lambda entry: _read(entry, roots),
        concerns=(*result.concerns, *told.concerns),
        watched=tuple(roots),
        packages=lambda: told.text,
    )


def compare(old: Side, new: Side, paths: Sequence[bytes] = (), *, with_content: bool = True) -> Iterator[Difference]:
    """Yield every path that differs, in order; with ``paths``, only what is at or below one of them.

    Raises DamagedError where the content of a snapshot is damaged.
    """
    links, keeps = (_groups(old.entries), _groups(new.entries)), _keeper(new)
    for path in sorted(old.entries.keys() | new.entries.keys()):
        before, after = old.entries.get(path), new.entries.get(path)
        if before is after:
            continue
        if before and after and links[0].get(before.link_group) == links[1].get(after.link_group):
            after = after._replace(link_group=before.link_group)  # newly watched paths get other numbers
        if before == after or (paths and not is_within_any(path, paths)):
            continue
        aspects = differences(before, after) if before and after else []
        if before and not after and not keeps(before):
            yield Difference(path=path, old=before, new=None, unwatched=True)
        elif aspects or not (before and after):
            try:
                shown = with_content and not _is_sealed(before) and not _is_sealed(after)
                hunks, purged = _hunks(old, new, before, after) if shown else None, ""
            except PurgedError as error:
                hunks, purged = None, error.why
            yield Difference(path=path, old=before, new=after, changes=tuple(aspects), hunks=hunks, purged=purged)


def compare_packages(old: Side, new: Side) -> tuple[PackageChange, ...]:
    """The packages that differ; none where a side does not say which it has. Raises DamagedError."""
    before, after = old.packages(), new.packages()
    if before is None or after is None or before == after:
        return ()
    return changes.compare(package_list.decode(before), package_list.decode(after))


def _keeper(side: Side) -> Callable[[Entry], bool]:
    """Whether ``side`` would have the entry, if it were on the disk."""
    if side.watched is None:
        return lambda entry: True
    rules = [(root, Rules.of(root.exclude)) for root in side.watched]
    return lambda entry: any(root.holds(entry.path) and not _excludes(rule, root, entry) for root, rule in rules)


def _excludes(rules: Rules, root: Watched, entry: Entry) -> bool:
    """Whether ``rules`` leave out the path itself or a directory above it."""
    inside = root.relative(entry.path).split(b"/") if entry.path != root.path else []
    for depth in range(1, len(inside) + 1):
        relative = b"/".join(inside[:depth])
        is_directory = depth < len(inside) or entry.kind is Kind.DIRECTORY
        if rules.match(inside[depth - 1], relative, os.path.join(root.path, relative), is_directory):
            return True
    return False


def _groups(entries: Mapping[bytes, Entry]) -> dict[int | None, set[bytes]]:
    """The names of each file with several hard links."""
    groups: dict[int | None, set[bytes]] = {}
    for path, entry in entries.items():
        if entry.link_group is not None:
            groups.setdefault(entry.link_group, set()).add(path)
    return groups


def within(old: Side, new: Side, candidates: Sequence[bytes]) -> bytes:
    """The first of ``candidates`` that either side has. Raises UsageError where neither has one."""
    for path in candidates:
        if any(is_within(known, path) for side in (old, new) for known in side.entries):
            return path
    raise UsageError(
        f"{escape(candidates[0])} is in neither of the two.",
        f"{old.label} and {new.label}",
        "Name a path that is watched: pacha config-values",
        code="path-in-neither-snapshot",
    )


def _is_sealed(entry: Entry | None) -> bool:
    return entry is not None and entry.sealed is not None


def _hunks(old: Side, new: Side, before: Entry | None, after: Entry | None) -> tuple[bytes, ...] | None:
    old_text, new_text = _text(old, before), _text(new, after)
    if old_text is None or new_text is None or old_text == new_text:
        return None
    return tuple(hg.unified(old_text, new_text))


def _text(side: Side, entry: Entry | None) -> bytes | None:
    """The content of a file, b"" for anything else; None where it is large, binary or unreadable."""
    if entry is None or entry.kind is not Kind.FILE:
        return b""
    if entry.parts or entry.size > content.WHOLE_LIMIT:
        return None
    data = side.content(entry)
    return None if data is None or b"\0" in data else data


def _digested(entry: Entry, roots: Sequence[Watched], is_sealed: bool) -> Entry:
    """``entry`` with its sha256, which a scan leaves out of a changed file; one ``is_sealed`` has none."""
    if is_sealed and entry.sealed is None:
        return entry._replace(sha256=None, sealed=b"", xattrs=keyed.clear(entry.xattrs))
    if entry.kind is not Kind.FILE or entry.sha256 is not None:
        return entry
    try:
        with _place(entry, roots) as (directory, name):
            return content.digest(entry, name, directory)
    except OSError:
        return entry  # it changed meanwhile: without a sha256 it differs


def _read(entry: Entry, roots: Sequence[Watched]) -> bytes | None:
    try:
        with _place(entry, roots) as (directory, name):
            return content.read(entry, name, directory).data
    except OSError:
        return None  # not the removal of every line


@contextmanager
def _place(entry: Entry, roots: Sequence[Watched]) -> Iterator[tuple[int, bytes]]:
    """The open directory that ``entry`` lies in, and its name there."""
    watched = next(root for root in roots if root.holds(entry.path))
    with DirectoryFds(os.path.dirname(watched.path) if watched.single else watched.path) as directories:
        yield directories.parent(watched.relative(entry.path))
