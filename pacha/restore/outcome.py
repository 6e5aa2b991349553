"""The outcome of a run: steps done, concerns, and the paths that remain owed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.restore.plan import Action


@dataclass(kw_only=True)
class OutcomeBuilder:
    """Collects the outcome during a run. Later phases leave ``failed`` paths alone."""

    counts: Counter[Action] = field(default_factory=Counter)
    concerns: list[Concern] = field(default_factory=list)
    failed: set[bytes] = field(default_factory=set)
    troubled: set[bytes] = field(default_factory=set)
    owed: set[bytes] = field(default_factory=set)
    corrected: list[bytes] = field(default_factory=list)

    def fail(self, path: bytes, reason: str) -> None:
        """Record that ``path`` could not be restored."""
        self.failed.add(path)
        self.trouble(path, reason)

    def trouble(self, path: bytes, *reasons: str) -> None:
        """Record that ``path`` was restored, but not exactly."""
        self.troubled.add(path)
        self.owed.add(path)
        self.concern(path, ", ".join(reasons))

    def concern(self, path: bytes, reason: str) -> None:
        """Record a concern that does not make ``path`` owed."""
        self.concerns.append(Concern(path, reason))

    def put_in_order(self, first: int) -> None:
        """Sort the concerns by path, from number ``first`` on."""
        self.concerns[first:] = sorted(self.concerns[first:], key=lambda concern: concern.path)

    def outcome(self, before: tuple[Concern, ...] = ()) -> Outcome:
        """Return the outcome, with ``before`` (the plan's own concerns) first."""
        return Outcome(dict(self.counts), (*before, *self.concerns), tuple(sorted(self.owed)), tuple(self.corrected))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run: ``unrestored`` paths are owed; the permission check changed ``corrected`` paths."""

    counts: Mapping[Action, int] = field(default_factory=dict)
    concerns: tuple[Concern, ...] = ()
    unrestored: tuple[bytes, ...] = ()
    corrected: tuple[bytes, ...] = ()
