"""Make the plan of a rebuild from a fetched snapshot, the accounts in force and the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pacha.errors import Concern, UsageError
from pacha.files.metadata import Entry
from pacha.files.owners import Accounts
from pacha.files.paths import rebase
from pacha.host.orphans import unsettled, words
from pacha.rebuild import accounts, actual_state, renumber
from pacha.rebuild import passwd as account_files
from pacha.rebuild.id_changes import IdChanges, id_changes
from pacha.rebuild.keep import Keep, is_system, rules
from pacha.rebuild.options import AccountPolicy, OwnerNames, RebuildOptions
from pacha.restore import plan as planning
from pacha.restore import preflight
from pacha.restore.ownership import Identity
from pacha.restore.plan import Action, Plan, Step
from pacha.store.host_state import Orphans
from pacha.store.snapshot import Snapshot
from pacha.system.mounts import mounts


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRebuild:
    """A plan, and what a person should know before it is carried out.

    ``commands`` make the accounts that are missing; ``names_by`` says whose names count; ``moved`` how many
    paths outside the watched ones are re-owned, ``movers`` for which accounts; ``overrides`` the content of
    files that is not as recorded; ``orphans`` what is kept for accounts that are no more,
    all of it where the file systems were ``walked``.
    """

    plan: Plan
    wanted: Mapping[bytes, Entry]
    commands: tuple[str, ...] = ()
    names_by: str = ""
    moved: int = 0
    movers: tuple[str, ...] = ()
    overrides: Mapping[bytes, bytes] = field(default_factory=dict)
    moves: IdChanges = field(default_factory=IdChanges)
    orphans: tuple[Orphans, ...] = ()
    walked: bool = False
    shortages: tuple[Concern, ...] = ()


def plan_rebuild(
    snapshot: Snapshot,
    account_texts: Mapping[bytes, bytes],
    options: RebuildOptions,
    begun: renumber.InterruptedRenumbering = renumber.InterruptedRenumbering(),  # noqa: B008
    holes: Mapping[bytes, int] = MappingProxyType({}),
    parts: tuple[bytes, ...] = (),
    remembered: tuple[Orphans, ...] = (),
) -> PlannedRebuild:
    """The plan that makes the disk say ``snapshot``. Reads the disk, changes nothing.

    ``account_texts`` holds the content of /etc/passwd and /etc/group where the snapshot has them; ``begun`` is
    what a killed rebuild left half re-owned; ``holes`` the bytes of a file that take no room; ``snapshot`` has
    nothing but ``parts`` where there are some; ``remembered`` is what earlier rebuilds left to nobody. Raises
    UsageError for a wrong owner map.
    """
    target = options.target
    machine = Accounts.of_machine()
    files = actual_state.accounts_of_root(target)
    before = files if target else machine
    places = [replace(watched, path=rebase(watched.path, target)) for watched in snapshot.live]
    keep = Keep(rules=rules(options.keep), roots=places, target=target, system=is_system(target))
    keep.check(_placed(parts, target))
    entries, texts = dict(snapshot.entries), _restored(account_texts, keep)
    if options.accounts is AccountPolicy.KEEP and before is not None:
        texts = _kept_texts(texts, before, target)
        entries = {**entries, **{path: _with_text(entries[path], text) for path, text in texts.items()}}
    here, names_by = actual_state.accounts_in_force(target, texts, machine)
    names = _mapped(here, options.owner_names)
    wanted, concerns = accounts.with_acls(_moved(entries, target), snapshot.accounts, names)
    above, _ = accounts.with_acls(_moved(snapshot.parents, target), snapshot.accounts, names)
    found = actual_state.read_actual_state(
        places, wanted, actual_state.above(snapshot, target), here, _placed(parts, target)
    )
    plan = planning.build(
        list(wanted.values()), found, names,
        roots=[place.path for place in places],
        parents=list(above.values()),
        keep=lambda path: keep.keeps(path, wanted, found),
        delete=options.delete, me=Identity.of_process(), confined_to=target if before else b"",
    )  # fmt: skip
    placed = {rebase(path, target): size for path, size in holes.items()}
    findings = preflight.preflight(plan, placed, _mounts(), target)
    plan = planning.hindered(plan, findings.hindrances)
    left = [orphans for orphans in remembered if orphans.target == target]
    moves = _moves(before, files, here, texts, options, left)
    reowning = keep.sparing(_reowning(moves, before or here, here, options, _handled(plan), begun))
    walked = moves is not None and options.accounts is not AccountPolicy.LEAVE
    moves = begun.moved or moves or IdChanges()
    commands = accounts.commands(plan.missing_users, plan.missing_groups, snapshot.accounts, here)
    overrides = {path: text for path, text in texts.items() if text != account_texts[path]}
    movers = renumber.describe(moves, here, reowning.steps)
    orphans = reowning.orphans if walked else unsettled(remembered, target)
    return PlannedRebuild(
        plan=_joined(plan, concerns, reowning, orphans), wanted=wanted, commands=tuple(commands), names_by=names_by,
        moved=len(reowning.steps), movers=movers, overrides=overrides,
        moves=moves if reowning.steps else IdChanges(), orphans=orphans, walked=walked,
        shortages=tuple(map(_in_words, findings.shortages)),
    )  # fmt: skip


def _mounts() -> list[bytes]:
    try:
        return [mount.path for mount in mounts()]
    except OSError:
        return []  # no /proc: a rename will tell


def _in_words(shortage: preflight.Shortage) -> Concern:
    unit = "files" if shortage.inodes else "bytes"
    return Concern(
        shortage.path, f"its file system has room for {shortage.free:,} {unit}; {shortage.needed:,} may be needed"
    )


def _placed(parts: tuple[bytes, ...], target: bytes) -> tuple[bytes, ...]:
    return tuple(rebase(path, target) for path in parts)


def _restored(texts: Mapping[bytes, bytes], keep: Keep) -> dict[bytes, bytes]:
    """The account files that the rebuild really brings: not those that are to be kept."""
    places = {path: rebase(path, keep.target) for path in texts}
    kept = {p for p, place in places.items() if keep.matches(place, False) and (keep.system or os.path.lexists(place))}
    return {path: text for path, text in texts.items() if path not in kept}


def _mapped(here: Accounts, names: OwnerNames) -> Accounts:
    return accounts.mapped(here, names.users, names.groups) if names.users or names.groups else here


def _moved(entries: Mapping[bytes, Entry], target: bytes) -> dict[bytes, Entry]:
    """``entries`` with the paths that they have on disk."""
    if not target:
        return dict(entries)
    moved_entries = (replace(entry, path=rebase(entry.path, target)) for entry in entries.values())
    return {entry.path: entry for entry in moved_entries}


def _kept_texts(texts: Mapping[bytes, bytes], before: Accounts, target: bytes) -> dict[bytes, bytes]:
    names = (actual_state.PASSWD, actual_state.GROUP)
    passwd, group = (texts.get(path) or actual_state.account_file(path, target) or b"" for path in names)
    made = dict(zip(names, account_files.keep_numbers(passwd, group, before), strict=True))
    return {path: made[path] for path in texts}


def _with_text(entry: Entry, text: bytes) -> Entry:
    return replace(entry, size=len(text), sha256=hashlib.sha256(text).digest())


def _moves(
    before: Accounts | None,
    files: Accounts | None,
    after: Accounts,
    texts: Mapping[bytes, bytes],
    options: RebuildOptions,
    left: Iterable[Orphans],
) -> IdChanges | None:
    """Only root's rebuild of a machine's own account files makes its numbers others: a folder has none (None)."""
    if before is None or files is None or not texts or os.geteuid() != 0:
        return None
    parks = options.accounts in (None, AccountPolicy.RENUMBER)
    return id_changes(before, files, after, left, parks=parks)


def _handled(plan: Plan) -> frozenset[bytes]:
    """The paths whose owner the plan itself settles; what it leaves alone keeps its number, not its owner."""
    left = {Action.KEPT_BY_RULE} if plan.delete else {Action.KEPT_BY_RULE, Action.EXTRA}
    return frozenset(step.path for step in plan.steps if step.action not in left)


def _reowning(
    moves: IdChanges | None,
    before: Accounts,
    after: Accounts,
    options: RebuildOptions,
    handled: frozenset[bytes],
    begun: renumber.InterruptedRenumbering,
) -> renumber.Reowning:
    if begun.moved and options.accounts not in (None, AccountPolicy.RENUMBER):
        raise UsageError(
            "A rebuild was interrupted while it changed the owners of files.",
            "half of them belong to the numbers of before",
            "Rebuild with --accounts renumber, or put back what was there: pacha undo",
            code="renumbering-unfinished",
        )
    carried = renumber.resumed_steps(begun, handled, after)
    if not moves:
        return renumber.Reowning(carried)
    settled = [record.old for record in begun.found.values()]
    found = renumber.plan_reowning(moves, before, after, handled, settled, options.target or b"/")
    found = replace(found, steps=(*carried, *found.steps))
    if options.accounts is not AccountPolicy.LEAVE:
        return replace(found, orphans=renumber.orphans_of(moves, found.held, carried, options.target))
    left = (Concern(step.path, f"{step.reason}; left as it is") for step in found.steps)
    return renumber.Reowning((), (*left, *found.concerns, *renumber.left_to_others(moves, found.held)))


def _joined(plan: Plan, acls: Iterable[Concern], reowning: renumber.Reowning, orphans: Iterable[Orphans]) -> Plan:
    """``plan`` with what the accounts bring: paths whose ACL is not whole stay owed."""
    kept = {step.path for step in plan.steps if step.action is Action.KEPT_BY_RULE}
    acls = [concern for concern in acls if concern.path not in kept]
    missing = {concern.path: concern.reason for concern in acls}
    again = {step.path for step in reowning.steps}
    steps: list[Step] = [
        replace(s, shortfall=missing[s.path]) if s.path in missing and s.exact else s
        for s in plan.steps
        if s.path not in again
    ]
    steps += reowning.steps
    of_nobody = (Concern(orphan.paths[0], words(orphan)) for orphan in orphans)
    concerns = (*plan.concerns, *acls, *reowning.concerns, *of_nobody)
    return replace(plan, steps=tuple(sorted(steps, key=lambda step: step.path)), concerns=concerns)
