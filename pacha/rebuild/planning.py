"""Make the plan of a rebuild from a fetched snapshot, the accounts in force and the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pacha.errors import Concern
from pacha.files.entry import Entry
from pacha.files.mount_points import MountPoints
from pacha.files.owners import Accounts
from pacha.files.paths import rebase, strip_target
from pacha.host.orphans import words
from pacha.rebuild import accounts, actual_state, renumber, reowning
from pacha.rebuild import passwd as account_files
from pacha.rebuild.bound import UNBOUND, Bound
from pacha.rebuild.id_changes import IdChanges
from pacha.rebuild.keep import Keep, rules
from pacha.rebuild.options import AccountPolicy, OwnerNames, RebuildOptions
from pacha.rebuild.reowning import PlannedReowning
from pacha.restore import plan as restore_plan
from pacha.restore import preflight
from pacha.restore.ownership import Identity
from pacha.restore.plan import Action, Plan, Step
from pacha.store.host_state import Orphans
from pacha.store.snapshot import Snapshot
from pacha.system.presence import is_absent


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRebuild:
    """A plan, and what a person should know before it is carried out.

    ``commands`` make the missing accounts; ``names_by`` says where names come from; ``reowned_count`` is the number
    of paths outside the watched ones that are re-owned, ``reowned_accounts`` names their accounts, and ``id_changes``
    has their new numbers; ``overrides`` is file content that differs from the recorded one; ``orphans`` is what is kept
    for lost accounts: all of it if the file systems were ``walked``.
    """

    plan: Plan
    wanted: Mapping[bytes, Entry]
    commands: tuple[str, ...] = ()
    names_by: str = ""
    reowned_count: int = 0
    reowned_accounts: tuple[str, ...] = ()
    overrides: Mapping[bytes, bytes] = field(default_factory=dict)
    id_changes: IdChanges = field(default_factory=IdChanges)
    orphans: tuple[Orphans, ...] = ()
    walked: bool = False
    shortages: tuple[Concern, ...] = ()

    def led_by(self, concerns: Iterable[Concern]) -> PlannedRebuild:
        """The same plan, with ``concerns`` before its own."""
        return replace(self, plan=replace(self.plan, concerns=(*concerns, *self.plan.concerns)))


def plan_rebuild(
    snapshot: Snapshot,
    account_texts: Mapping[bytes, bytes],
    options: RebuildOptions,
    *,
    interrupted: renumber.InterruptedRenumbering = renumber.InterruptedRenumbering(),  # noqa: B008
    holes: Mapping[bytes, int] = MappingProxyType({}),
    parts: tuple[bytes, ...] = (),
    remembered: tuple[Orphans, ...] = (),
    bound: Bound = UNBOUND,
) -> PlannedRebuild:
    """The plan that makes the disk equal to ``snapshot``. Reads the disk, changes nothing.

    ``account_texts`` holds the content of /etc/passwd and /etc/group where the snapshot has them; ``interrupted`` is
    the re-owning that a killed rebuild did not finish; ``holes`` are the bytes of each file that take no room;
    ``parts`` are the selected paths, to which ``snapshot`` is reduced already; ``remembered`` are the orphans of
    earlier rebuilds; ``bound`` is what stays as this machine has it. Raises UsageError for an invalid owner map.
    """
    target, machine = options.target, Accounts.of_machine()
    before = actual_state.accounts_before(target, machine)
    places = [replace(watched, path=rebase(watched.path, target)) for watched in snapshot.live]
    keep = Keep(rules=rules(options.keep), roots=places, target=target, system=actual_state.is_system(target))
    keep.check(_placed(parts, target))
    texts = _restored(account_texts, keep, before.known if options.accounts is AccountPolicy.KEEP else None)
    overrides = {path: text for path, text in texts.items() if text != account_texts[path]} | dict(bound.merged)
    entries = {**snapshot.entries, **{path: _holding(snapshot.entries[path], overrides[path]) for path in overrides}}
    in_force, names_by = actual_state.accounts_in_force(target, texts, machine)
    owners_by_name = _mapped(in_force, options.owner_names, [*entries.values(), *snapshot.parents.values()])
    wanted, acl_concerns = accounts.with_acls(_rebased(entries, target), snapshot.accounts, owners_by_name)
    plan = _plan_paths(snapshot, wanted, in_force, owners_by_name, keep, bound, parts, delete=options.delete)
    mounted = MountPoints.of_machine(()).now  # none without /proc: then a rename fails
    findings = preflight.preflight(plan, {rebase(path, target): holes[path] for path in holes}, mounted, target)
    plan = restore_plan.hindered(plan, findings.hindrances)
    owners = reowning.plan_owners(plan, before, in_force, options, keep, interrupted, remembered, restored=bool(texts))
    steps = owners.reowning.steps
    return PlannedRebuild(
        plan=_joined(plan, acl_concerns, owners), wanted=wanted, names_by=names_by, reowned_count=len(steps),
        commands=tuple(accounts.commands(plan.missing_users, plan.missing_groups, snapshot.accounts, in_force)),
        reowned_accounts=renumber.describe(owners.changes, in_force, steps), overrides=overrides,
        id_changes=owners.changes if steps else IdChanges(), orphans=owners.orphans, walked=owners.walked,
        shortages=tuple(map(_in_words, findings.shortages)),
    )  # fmt: skip


def _plan_paths(
    snapshot: Snapshot,
    wanted: Mapping[bytes, Entry],
    in_force: Accounts,
    owners_by_name: Accounts,
    keep: Keep,
    bound: Bound,
    parts: tuple[bytes, ...],
    *,
    delete: bool,
) -> Plan:
    """The plan of the watched paths and those above them, whatever hinders it."""
    target, unseen = keep.target, list[Concern]()
    above, _ = accounts.with_acls(_rebased(snapshot.parents, target), snapshot.accounts, owners_by_name)
    actual = actual_state.read_actual_state(
        keep.roots, wanted, actual_state.above(snapshot, target), in_force, _placed(parts, target), unseen
    )
    plan = restore_plan.build(
        list(wanted.values()), actual, owners_by_name,
        roots=[place.path for place in keep.roots],
        parents=list(above.values()),
        keep=lambda path: keep.keeps(path, wanted, actual),
        withheld=lambda path: bound.of(strip_target(path, target)),
        delete=delete, me=Identity.of_process(), confined_to=target if keep.system else b"",
    )  # fmt: skip
    return replace(plan, concerns=(*unseen, *plan.concerns))


def _holding(entry: Entry, text: bytes) -> Entry:
    """``entry`` with ``text`` as its content."""
    return entry._replace(size=len(text), sha256=hashlib.sha256(text).digest())


def _in_words(shortage: preflight.Shortage) -> Concern:
    unit = "files" if shortage.inodes else "bytes"
    return Concern(
        shortage.path, f"its file system has room for {shortage.free:,} {unit}; {shortage.needed:,} may be needed"
    )


def _placed(parts: tuple[bytes, ...], target: bytes) -> tuple[bytes, ...]:
    return tuple(rebase(path, target) for path in parts)


def _restored(texts: Mapping[bytes, bytes], keep: Keep, numbers: Accounts | None) -> dict[bytes, bytes]:
    """The account files to restore, without those that ``keep`` spares.

    With ``numbers``, each name that these accounts have gets its number there.
    """
    places = {path: rebase(path, keep.target) for path in texts}
    kept_paths = {
        path for path, place in places.items() if keep.matches(place, False) and (keep.system or not is_absent(place))
    }
    restored = {path: text for path, text in texts.items() if path not in kept_paths}
    if numbers is None:
        return restored
    names = (actual_state.PASSWD, actual_state.GROUP)
    passwd, group = (restored.get(path) or actual_state.account_file(path, keep.target) or b"" for path in names)
    renumbered = dict(zip(names, account_files.keep_numbers(passwd, group, numbers), strict=True))
    return {path: renumbered[path] for path in restored}


def _mapped(in_force: Accounts, names: OwnerNames, recorded: Iterable[Entry]) -> Accounts:
    return accounts.mapped(accounts.with_root(in_force, recorded), in_force, names.users, names.groups)


def _rebased(entries: Mapping[bytes, Entry], target: bytes) -> dict[bytes, Entry]:
    """``entries`` with the paths that they have on disk."""
    if not target:
        return dict(entries)
    rebased = (entry._replace(path=rebase(entry.path, target)) for entry in entries.values())
    return {entry.path: entry for entry in rebased}


def _joined(plan: Plan, acl_concerns: Iterable[Concern], owners: PlannedReowning) -> Plan:
    """``plan`` with the steps and concerns of accounts; a path whose ACL is incomplete stays owed."""
    kept_paths = {step.path for step in plan.steps if step.action in (Action.KEPT_BY_RULE, Action.WITHHELD)}
    acl_concerns = [concern for concern in acl_concerns if concern.path not in kept_paths]
    missing = {concern.path: concern.reason for concern in acl_concerns}
    missing |= {step.path: step.shortfall for step in plan.steps if step.action is Action.WITHHELD and step.shortfall}
    reowned = {step.path for step in owners.reowning.steps}
    steps: list[Step] = [
        replace(s, shortfall=missing[s.path]) if s.path in missing and s.exact else s
        for s in plan.steps
        if s.path not in reowned
    ]
    steps += [replace(s, shortfall=missing.get(s.path, s.shortfall)) for s in owners.reowning.steps]
    of_nobody = (Concern(orphan.paths[0], words(orphan)) for orphan in owners.orphans)
    concerns = (*plan.concerns, *acl_concerns, *owners.reowning.concerns, *of_nobody)
    return replace(plan, steps=tuple(sorted(steps, key=lambda step: step.path)), concerns=concerns)
