"""Decide what a rebuild leaves to this machine, by the table of ``machine.policies``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pacha.errors import Concern
from pacha.fetch.spool import Spool
from pacha.files.entry import Entry, Kind
from pacha.files.paths import name, parent, rebase
from pacha.machine import hardware
from pacha.machine.hardware import Lookup
from pacha.machine.inventory import Inventory
from pacha.machine.policies import Policy, Row, row_of
from pacha.machine.references import MOST_BYTES
from pacha.rebuild import actual_state
from pacha.rebuild.bound import UNBOUND, Bound
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import HardwarePolicy, RebuildOptions
from pacha.restore.plan import Action, Plan, Withheld
from pacha.store.snapshot import Snapshot
from pacha.text import enumerated, escape

_SHOWN = 5  #: links of one folder that are named
_MOST_IN_ALL = 64 << 20  #: bytes that are looked through; far more than any /etc has of such files


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What the decision depends on besides the files.

    ``machines``: None where the snapshot does not say which machine the host was; ``living``: this machine made its
    snapshots; ``other_release``; ``aside``: the folder for what is withheld.
    """

    options: RebuildOptions
    machines: Machines | None
    living: bool
    other_release: bool
    host: str
    aside: bytes


def decide(snapshot: Snapshot, spool: Spool, about: Circumstances) -> Bound:
    """What of ``snapshot``, whose content is in ``spool``, stays as this machine has it. Reads the disk."""
    policy = about.options.hardware or HardwarePolicy.AUTO
    if policy is HardwarePolicy.SAME or not actual_state.is_system(about.options.target):
        return UNBOUND
    machines = about.machines
    other = policy is HardwarePolicy.OTHER or not (
        about.living if machines is None else hardware.same(machines.recorded, machines.here)
    )
    if not other and not about.other_release:
        return UNBOUND
    return _Decision(snapshot=snapshot, spool=spool, about=about, other=other).bound()


def concerns_of(bound: Bound, plan: Plan, target: bytes, *, complete: bool) -> Iterator[Concern]:
    """What a person should know of the files that are merged, or restored all the same.

    ``complete``: no packages are installed any more, which might bring what a link leads to.
    """
    written = {step.path for step in plan.steps if step.action in (Action.CREATE, Action.REPLACE)}
    for path, remark in (*bound.remarks.items(), *bound.named.items()):
        if rebase(path, target) in written:
            yield Concern(rebase(path, target), remark)
    together: dict[tuple[bytes, str], list[str]] = {}
    for path, reason in bound.dangling.items() if complete else ():
        if rebase(path, target) in written:
            together.setdefault((parent(rebase(path, target)), reason), []).append(escape(name(path)))
    for (folder, reason), links in together.items():
        yield Concern(folder, f"links that lead to nothing here: {enumerated(sorted(links), _SHOWN)} ({reason})")


@dataclass(kw_only=True)
class _Decision:
    snapshot: Snapshot
    spool: Spool
    about: Circumstances
    other: bool
    read: int = 0
    merged: dict[bytes, bytes] = field(default_factory=dict)
    remarks: dict[bytes, str] = field(default_factory=dict)
    named: dict[bytes, str] = field(default_factory=dict)
    dangling: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        target, machines = self.about.options.target, self.about.machines
        cards = machines.recorded.cards if machines else ()
        self.inventory = Inventory(
            root=Path(os.fsdecode(target or b"/")),
            wanted=lambda path: os.fsencode(path) in self.snapshot.entries,
            cards=frozenset(card.name for card in cards),
        )

    def bound(self) -> Bound:
        bound_paths = {path: row for path in self.snapshot.entries if (row := row_of(os.fsdecode(path)))}
        withheld = {path: held for path, row in bound_paths.items() if (held := self._withheld(path, row))}
        return Bound(
            withheld=withheld, merged=self.merged, remarks=self.remarks, named=self.named, dangling=self.dangling,
            own=self._own, recorded=self.snapshot.entries.keys(),
            other=self.other,
        )  # fmt: skip

    def _withheld(self, path: bytes, row: Row) -> Withheld | None:
        entry = self.snapshot.entries[path]
        if entry.kind not in (Kind.FILE, Kind.SYMLINK):
            return None
        if row.policy is Policy.NAME:
            self._name(entry, row)
            return None
        reason = self._reason(entry, row)
        merges = self.other and row.merge and entry.kind is Kind.FILE and (reason or row.policy is Policy.RESTORE)
        if merges and self._merge(entry, row, reason):
            return None
        if not reason:
            return None
        return Withheld(reason, "" if row.policy is Policy.GENERATED else self._put_aside(entry))

    def _name(self, entry: Entry, row: Row) -> None:
        """Note why a person should know of the file or link on other hardware."""
        if not self.other:
            return
        if row.of_links and entry.target is not None:
            leads_to = os.path.normpath(os.path.join(parent(entry.path), entry.target))
            if not self.inventory.file(os.fsdecode(leads_to)):
                self.dangling[entry.path] = row.reason
        elif entry.kind is Kind.FILE and not row.of_links:
            lookup = self._examined(entry, row) if row.reader else None
            if lookup is None or lookup.dead:
                self.named[entry.path] = f"{lookup} ({row.reason})" if lookup else row.reason

    def _reason(self, entry: Entry, row: Row) -> str:
        """Why the file stays as this machine has it, "" where it does not."""
        if row.policy is Policy.GENERATED:
            return row.reason
        if row.policy is Policy.SAME_RELEASE and self.about.other_release:
            return f"it is for another release ({row.reason})"
        if row.policy is Policy.KEEP and self.other:
            return f"it stays as it is here ({row.reason})"
        if row.reader and self.other and entry.kind is Kind.FILE:
            lookup = self._examined(entry, row)
            why = str(lookup) if lookup else self._cards_lost(entry, row)
            return f"{why} ({row.reason})" if why else ""
        return ""

    def _cards_lost(self, entry: Entry, row: Row) -> str:
        """Why this machine's own file is needed for its cards, "" where it is not."""
        own = actual_state.account_file(entry.path, self.about.options.target) if row.by_name else None
        if own is None or row.reader is None:
            return ""
        path = os.fsdecode(entry.path)
        here, then = (hardware.cards(row.reader, path, text, self.inventory) for text in (own, self._content(entry)))
        return f"the file that is here names {hardware.named(here)}, and it none" if here and not then else ""

    def _examined(self, entry: Entry, row: Row) -> Lookup:
        assert row.reader is not None
        self.read += min(entry.size, MOST_BYTES)
        if self.read > _MOST_IN_ALL:
            return Lookup(unread="there is too much to be looked through")
        return hardware.examine(row.reader, os.fsdecode(entry.path), self._content(entry), self.inventory)

    def _content(self, entry: Entry) -> bytes:
        return self.spool.bytes_of(entry.path, MOST_BYTES + 1) if entry.path in self.spool.places else b""

    def _merge(self, entry: Entry, row: Row, reason: str) -> bool:
        """Merge the recorded file with this machine's, if both are texts; returns whether it is settled by that."""
        here, recorded = actual_state.account_file(entry.path, self.about.options.target), self._content(entry)
        if row.policy is Policy.RESTORE and here is None:
            return True
        texts = (here or b"", recorded)
        if row.merge is None or any(b"\0" in text or len(text) > MOST_BYTES for text in texts):
            return False
        own, old = (text.decode("utf-8", "surrogateescape") for text in texts)
        merged = row.merge(own, old, self.inventory.has)
        self.merged[entry.path] = merged.text.encode("utf-8", "surrogateescape")
        if reason:
            comments = f" ({merged.commented} of its lines as comments)" if merged.commented else ""
            self.remarks[entry.path] = f"{reason}; merged with this machine's{comments}; {self._put_aside(entry)}"
        return True

    def _put_aside(self, entry: Entry) -> str:
        if entry.target is not None:
            return f"that of '{self.about.host}' is a link to {escape(entry.target)}"
        return f"that of '{self.about.host}' is put into {escape(self.about.aside + entry.path)}"

    def _own(self, path: bytes) -> Withheld | None:
        """Whether this machine's own file at ``path``, which the snapshot does not have, is bound to it."""
        row = row_of(os.fsdecode(path))
        if row is None or row.policy in (Policy.RESTORE, Policy.NAME):
            return None
        if self.other or row.policy is Policy.SAME_RELEASE:
            return Withheld("it is this machine's own", f"'{self.about.host}' had none")
        return None


def aside_paths(bound: Bound, plan: Plan, target: bytes) -> Mapping[bytes, bytes]:
    """The recorded path, by the path on disk, of each file that is not restored as it was."""
    recorded = {rebase(path, target): path for path in (*bound.withheld, *bound.remarks)}
    return {
        step.path: recorded[step.path]
        for step in plan.steps
        if step.path in recorded and (step.shortfall or step.action in (Action.CREATE, Action.REPLACE))
    }
