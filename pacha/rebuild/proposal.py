"""A rebuild's plan, with everything that a person should know before it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.files.entry import Entry
from pacha.rebuild.bound import UNBOUND, Bound
from pacha.rebuild.freshness import Disagreement
from pacha.rebuild.hooks import Hooks
from pacha.rebuild.last_word import SignedBy
from pacha.rebuild.living import LivingMachine
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import Remembered
from pacha.rebuild.packages import PlannedPackages
from pacha.rebuild.planning import PlannedRebuild
from pacha.rebuild.release import ReleaseChange
from pacha.rebuild.services import PlannedServices
from pacha.restore.journal_records import Started
from pacha.restore.plan import Action, Step
from pacha.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a rebuild is about to do.

    ``tip`` is the snapshot's node, ``at`` its time (seconds since the epoch), ``by`` its user. ``resumes`` are the
    interrupted rebuilds that this one finishes. ``content`` gives the bytes of a file in the snapshot. ``parts`` are
    the selected paths, () for all. ``living`` is set if this machine is another host, ``release`` if the snapshot has
    another release than this machine. ``remembered`` are the choices of an earlier rebuild that still apply.
    ``machines`` tells which machine the host was, and which one this is; ``bound`` what stays as this one has it.
    ``services``: what is done after the files; ``again``: a killed rebuild may have left that undone for its files.
    ``differences`` are the signs that another snapshot is newer; ``watched`` is what this machine will watch otherwise
    than now, as it adopts the snapshot. ``signed``: who signed it, where this machine asks for that. ``packages`` is
    what is done about those that are not installed here. ``revised``: it was made again, as packages or hooks changed
    this machine; ``sealed``: the paths, as on disk, whose content was opened, so that it is shown to nobody.
    """

    host: str
    tip: str
    at: float
    by: str
    target: bytes
    snapshot: Snapshot
    preview: PlannedRebuild
    hooks: Hooks = field(default_factory=Hooks)
    resumes: tuple[Started, ...] = ()
    content: Callable[[Entry], Iterator[bytes]] = lambda entry: iter(())
    parts: tuple[bytes, ...] = ()
    living: LivingMachine | None = None
    remembered: Remembered = field(default_factory=Remembered)
    release: ReleaseChange | None = None
    machines: Machines | None = None
    bound: Bound = UNBOUND
    services: PlannedServices | None = None
    again: bool = False
    differences: tuple[Disagreement, ...] = ()
    signed: SignedBy | None = None
    watched: tuple[Concern, ...] = ()
    packages: PlannedPackages | None = None
    revised: bool = False
    sealed: frozenset[bytes] = frozenset()

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person should look at."""
        of_packages = self.packages.concerns if self.packages else ()
        return (*self.preview.plan.concerns, *self.preview.shortages, *of_packages)

    @property
    def replaced(self) -> tuple[Step, ...]:
        """The steps that replace what is there."""
        return tuple(step for step in self.preview.plan.steps if step.action is Action.REPLACE)

    @property
    def moved_aside(self) -> tuple[Step, ...]:
        """The steps that move aside what is not in the snapshot."""
        plan = self.preview.plan
        return tuple(step for step in plan.steps if plan.delete and step.action is Action.EXTRA)

    @property
    def is_grave(self) -> bool:
        """Whether a person at a terminal has to confirm it."""
        said = (self.living, self.release, self.differences, self.watched)
        done = (self.replaced, self.moved_aside, self.preview.plan.ownerless, self.hooks)
        return any(map(bool, (*said, *done)))
