"""The outcome of a run: steps done, concerns, and the paths that stay owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.restore.plan import Action


@dataclass
class OutcomeBuilder:
    """Collects while a run goes on; ``failed`` paths are not touched any more."""

    counts: Counter[Action] = field(default_factory=Counter)
    concerns: list[Concern] = field(default_factory=list)
    failed: set[bytes] = field(default_factory=set)
    troubled: set[bytes] = field(default_factory=set)
    owed: set[bytes] = field(default_factory=set)
    corrected: list[bytes] = field(default_factory=list)

    def fail(self, path: bytes, reason: str) -> None:
        """Note that ``path`` could not be restored at all; later phases leave it alone."""
        self.failed.add(path)
        self.trouble(path, reason)

    def trouble(self, path: bytes, *reasons: str) -> None:
        """Note that ``path`` is there, but not all that it was."""
        self.troubled.add(path)
        self.owed.add(path)
        self.concern(path, ", ".join(reasons))

    def concern(self, path: bytes, reason: str) -> None:
        """Note something to look at that leaves nothing owed."""
        self.concerns.append(Concern(path, reason))

    def outcome(self, before: tuple[Concern, ...] = ()) -> Outcome:
        """Return all of it, ``before`` (the plan's own concerns) first."""
        return Outcome(dict(self.counts), (*before, *self.concerns), tuple(sorted(self.owed)), tuple(self.corrected))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done. ``unrestored`` paths are owed; ``corrected`` ones the permission check had to change."""

    counts: Mapping[Action, int] = field(default_factory=dict)
    concerns: tuple[Concern, ...] = ()
    unrestored: tuple[bytes, ...] = ()
    corrected: tuple[bytes, ...] = ()
