"""A rebuild's plan with everything that a person should know of it before it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.files.metadata import Entry
from pacha.rebuild.freshness import Disagreement
from pacha.rebuild.hooks import Hooks
from pacha.rebuild.living import LivingMachine
from pacha.rebuild.options import Remembered
from pacha.rebuild.planning import PlannedRebuild
from pacha.rebuild.release import ReleaseChange
from pacha.restore.journal_records import Started
from pacha.restore.plan import Action, Step
from pacha.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan with all that a person should know of it before it is carried out.

    ``tip`` is the snapshot's node, ``at`` when it was made (seconds since the epoch), ``by`` whom. ``carries_on``
    are the rebuilds that were interrupted and are finished by this one. ``content`` gives the bytes of a
    wanted file. ``parts`` are the paths that were asked for, () for all. ``living``: what this machine is, if it is
    another host. ``remembered``: what counts because an earlier rebuild chose it. ``release``: the snapshot is of
    another release than this machine. ``differences``: what speaks for another snapshot than this.
    """

    host: str
    tip: str
    at: float
    by: str
    target: bytes
    snapshot: Snapshot
    preview: PlannedRebuild
    hooks: Hooks = field(default_factory=Hooks)
    carries_on: tuple[Started, ...] = ()
    content: Callable[[Entry], Iterator[bytes]] = lambda entry: iter(())
    parts: tuple[bytes, ...] = ()
    living: LivingMachine | None = None
    remembered: Remembered = field(default_factory=Remembered)
    release: ReleaseChange | None = None
    differences: tuple[Disagreement, ...] = ()

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person should look at."""
        return (*self.preview.plan.concerns, *self.preview.shortages)

    @property
    def replaced(self) -> tuple[Step, ...]:
        """The steps that put something else in the place of what is there."""
        return tuple(step for step in self.preview.plan.steps if step.action is Action.REPLACE)

    @property
    def moved_aside(self) -> tuple[Step, ...]:
        """The steps that take away what the snapshot does not have."""
        plan = self.preview.plan
        return tuple(step for step in plan.steps if plan.delete and step.action is Action.EXTRA)

    @property
    def is_grave(self) -> bool:
        """Whether a person at a terminal is to be asked once more."""
        told = (self.living, self.release, self.differences)
        done = (self.replaced, self.moved_aside, self.preview.plan.ownerless, self.hooks)
        return any(map(bool, (*told, *done)))
