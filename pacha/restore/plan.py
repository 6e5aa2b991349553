"""The plan of a rebuild: turn wanted and actual entries into ordered steps. Pure: no I/O.

``--dry-run`` prints exactly the plan that would be applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from pacha.errors import Concern
from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.restore.compare import content_differs, hindrance, metadata_differs, relinked, unmovable, wanted_flags
from pacha.restore.ownership import Attributes, Identity, Matcher, attributes


class Action(Enum):
    """What a rebuild does with one path."""

    __hash__ = object.__hash__  # Enum's own is slow Python code, called for each path that is counted

    CREATE = "create"
    SAME = "same"
    REPLACE = "replace"
    METADATA = "metadata"
    EXTRA = "extra"  #: on disk, not wanted: left, or moved to a backup directory by ``delete``
    CANNOT = "cannot"
    KEPT_BY_RULE = "kept"  #: ``pacha.rebuild.keep`` names it: left as it is, or absent
    WITHHELD = "withheld"  #: it is bound to another machine: left as it is, or absent


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why a path stays as it is here. ``shortfall``: what is missing because of that ("": the path is not owed)."""

    reason: str
    shortfall: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One path of a plan. ``uid``, ``gid``, ``mode`` and ``xattrs`` are the values that it gets on this machine.

    ``path`` is absolute (bytes). ``reason`` says why this action (str, safe to print). ``shortfall`` says what cannot
    be restored; unless it is "", the path is owed.
    """

    path: bytes
    action: Action
    wanted: Entry | None
    actual: Entry | None
    uid: int = 0
    gid: int = 0
    mode: int = 0
    reason: str = ""
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    shortfall: str = ""

    @property
    def exact(self) -> bool:
        """Whether the path is restored exactly as recorded."""
        return not self.shortfall

    @property
    def attributes(self) -> Attributes:
        """The attributes that the inode gets; only for a step with a wanted entry."""
        assert self.wanted is not None
        return Attributes(self.uid, self.gid, self.mode, self.wanted.mtime_ns, self.xattrs, self.wanted.flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The steps of a rebuild, parents before children.

    ``roots`` are the watched paths: at and below them no symbolic link is followed. ``confined_to`` is the root of
    another machine, which no link below it may leave (b"": none). ``delete``: extras are moved aside.
    """

    steps: tuple[Step, ...]
    roots: tuple[bytes, ...]
    concerns: tuple[Concern, ...] = ()
    missing_users: tuple[bytes, ...] = ()
    missing_groups: tuple[bytes, ...] = ()
    delete: bool = False
    #: the paths whose owner or group has no account here
    ownerless: frozenset[bytes] = frozenset()
    confined_to: bytes = b""

    @property
    def totals(self) -> Mapping[Action, int]:
        """The number of steps of each action that occurs."""
        return Counter(step.action for step in self.steps)

    @property
    def changes(self) -> bool:
        """Whether applying the plan would change anything on disk."""
        changing = {Action.CREATE, Action.REPLACE, Action.METADATA} | ({Action.EXTRA} if self.delete else set())
        return any(step.action in changing for step in self.steps)


def build(
    wanted: Sequence[Entry],
    actual: Mapping[bytes, Entry],
    accounts: Accounts,
    *,
    roots: Sequence[bytes],
    parents: Sequence[Entry] = (),
    keep: Callable[[bytes], bool] = lambda path: False,
    withheld: Callable[[bytes], Withheld | None] = lambda path: None,
    delete: bool = False,
    me: Identity,
    confined_to: bytes = b"",
) -> Plan:
    """Return the plan that turns the ``actual`` entries into the ``wanted`` ones. Raises nothing.

    ``actual`` has, by path, what is on disk at the wanted paths, at ``parents`` and (for extras) below the roots; files
    of the wanted size have a ``sha256``, files with several names a ``link_group``. ``roots`` are the watched paths,
    below ``--target`` if there is one. ``parents`` are directories above them: created where missing, else left alone.
    ``keep`` returns whether a path stays as it is, even absent; ``withheld``, why its content does (None: it does not).
    ``me`` is who restores the tree; ``delete`` and ``confined_to`` are those of the Plan.
    """
    wrong = relinked([entry for entry in wanted if not keep(entry.path)], actual, root=me.uid == 0)
    builder = _Builder(
        actual=actual, matcher=Matcher(accounts, me), me=me, keep=keep, withheld=withheld, misplaced=wrong
    )
    absent = [entry for entry in parents if entry.path not in actual]
    by_path = {entry.path: entry for entry in (*absent, *wanted)}  # a parent below another root is a wanted entry
    steps = [builder.step(by_path[path]) for path in sorted(by_path)]
    known = {entry.path for entry in (*wanted, *parents)}
    extras = builder.extras((path for path in actual if path not in known), roots, delete)
    return Plan(
        steps=tuple(sorted([*steps, *extras], key=lambda step: step.path)),
        roots=tuple(sorted(roots)),
        concerns=tuple(builder.concerns),
        missing_users=tuple(sorted(builder.matcher.missing_users)),
        missing_groups=tuple(sorted(builder.matcher.missing_groups)),
        delete=delete,
        ownerless=frozenset(builder.ownerless),
        confined_to=confined_to,
    )


def hindered(plan: Plan, reasons: Mapping[bytes, str]) -> Plan:
    """Return ``plan`` with the steps at the paths in ``reasons`` (path: why) made impossible.

    So are the steps that would create something in a directory that cannot be created.
    """
    steps: list[Step] = []
    lost: set[bytes] = set()
    concerns = [concern for concern in plan.concerns if concern.path not in reasons]
    for step in plan.steps:
        reason = reasons.get(step.path, "")
        if not reason and step.action is Action.CREATE and paths.parent(step.path) in lost:
            reason = "its directory cannot be made"
        if reason:
            if step.action is not Action.EXTRA and (step.actual is None or step.action is Action.REPLACE):
                lost.add(step.path)
            concerns.append(Concern(step.path, reason))
            step = replace(step, action=Action.CANNOT, reason=reason, shortfall="")
        steps.append(step)
    return replace(plan, steps=tuple(steps), concerns=tuple(concerns))


def _kept(path: bytes, wanted: Entry | None, actual: Entry | None) -> Step:
    recorded = wanted or actual
    return Step(
        path=path, action=Action.KEPT_BY_RULE, wanted=wanted, actual=actual, reason="pacha.rebuild.keep names it",
        **{name: getattr(recorded, name) for name in ("uid", "gid", "mode")},
    )  # fmt: skip


@dataclass(kw_only=True)
class _Builder:
    actual: Mapping[bytes, Entry]
    matcher: Matcher
    me: Identity
    keep: Callable[[bytes], bool]
    withheld: Callable[[bytes], Withheld | None]
    misplaced: frozenset[bytes]
    concerns: list[Concern] = field(default_factory=list)
    #: directories that are displaced with everything below them
    displaced: set[bytes] = field(default_factory=set)
    ownerless: set[bytes] = field(default_factory=set)

    def step(self, entry: Entry) -> Step:
        actual = None if self._gone_with_parent(entry.path) else self.actual.get(entry.path)
        if self.keep(entry.path):
            return _kept(entry.path, entry, actual)
        match = self.matcher.match(entry)
        given, shortfall = attributes(entry, match, self.me)
        action, reason = self._decide(entry, actual, given)
        if action in (Action.CREATE, Action.REPLACE) and (held := self.withheld(entry.path)):
            return self._withheld(entry.path, entry, actual, held)
        if match.unmatched:
            self.ownerless.add(entry.path)
        if action is Action.REPLACE and actual is not None and actual.kind is Kind.DIRECTORY:
            self.displaced.add(entry.path)
        if action is Action.CANNOT:
            self._concern(entry.path, reason)
            shortfall = ""
        else:
            new = action in (Action.CREATE, Action.REPLACE)
            shortfall = ", ".join(filter(None, (shortfall, wanted_flags(entry, None if new else actual))))
            if shortfall:
                self._concern(entry.path, shortfall)
        return Step(
            path=entry.path, action=action, wanted=entry, actual=actual, uid=given.uid, gid=given.gid, mode=given.mode,
            reason=reason, xattrs=given.xattrs, shortfall=shortfall,
        )  # fmt: skip

    def _decide(self, entry: Entry, actual: Entry | None, given: Attributes) -> tuple[Action, str]:
        action, reason = self._difference(entry, actual, given)
        if action is Action.SAME:
            return action, reason
        parent, renames = self.actual.get(paths.parent(entry.path)), action is not Action.METADATA
        stop = hindrance(entry, actual, parent, renames=renames, root=self.me.uid == 0)
        if not stop and action is Action.REPLACE and actual is not None and actual.kind is Kind.DIRECTORY:
            stop = self._holds_kept(entry.path)
        return (Action.CANNOT, stop) if stop else (action, reason)

    def _difference(self, entry: Entry, actual: Entry | None, given: Attributes) -> tuple[Action, str]:
        if actual is None:
            return Action.CREATE, ""
        if entry.kind is not actual.kind:
            return Action.REPLACE, f"type {actual.kind.value} -> {entry.kind.value}"
        if difference := content_differs(entry, actual):
            return Action.REPLACE, difference
        if entry.path in self.misplaced:
            return Action.REPLACE, "hard links"
        if difference := metadata_differs(given, actual, self.matcher.accounts):
            # The inode may have another name outside the restored paths, which must not change.
            linked = actual.link_group is not None and entry.kind is not Kind.DIRECTORY
            return (Action.REPLACE if linked else Action.METADATA), difference
        return Action.SAME, ""

    def extras(self, actual: Iterable[bytes], roots: Sequence[bytes], delete: bool) -> list[Step]:
        extras = [path for path in sorted(actual) if paths.is_within_any(path, roots)]
        extras = [path for path in extras if not self._gone_with_parent(path)]
        held = {path: reason for path in extras if delete and not self.keep(path) and (reason := self.withheld(path))}
        kept = [path for path in extras if delete and self.keep(path)]
        for folder in {above for path in [*held, *kept] for above in paths.ancestors(path)}:
            held.setdefault(folder, Withheld("it holds what stays here"))
        return [self._extra(path, delete, held.get(path)) for path in extras]

    def _extra(self, path: bytes, delete: bool, held: Withheld | None) -> Step:
        actual = self.actual[path]
        if self.keep(path):
            return _kept(path, None, actual)
        if held:
            return self._withheld(path, None, actual, held)
        if delete and (stop := unmovable(actual)):
            self._concern(path, f"not moved aside: {stop}")
            return Step(path=path, action=Action.CANNOT, wanted=None, actual=actual, reason=stop)
        return Step(
            path=path, action=Action.EXTRA, wanted=None, actual=actual, reason="moved aside" if delete else "left"
        )

    def _withheld(self, path: bytes, wanted: Entry | None, actual: Entry | None, held: Withheld) -> Step:
        if held.shortfall:
            self._concern(path, f"{held.reason}; {held.shortfall}")
        return replace(
            _kept(path, wanted, actual), action=Action.WITHHELD, reason=held.reason, shortfall=held.shortfall
        )

    def _gone_with_parent(self, path: bytes) -> bool:
        return bool(self.displaced) and any(above in self.displaced for above in paths.ancestors(path))

    def _holds_kept(self, path: bytes) -> str:
        below = path + b"/"
        inside = [other for other in self.actual if other.startswith(below)]
        if any(map(self.keep, inside)):
            return "the directory in its place holds something that pacha.rebuild.keep names"
        return "the directory in its place holds something that stays here" if any(map(self.withheld, inside)) else ""

    def _concern(self, path: bytes, reason: str) -> None:
        self.concerns.append(Concern(path, reason))
