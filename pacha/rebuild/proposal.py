"""What a rebuild is about to do, in words and as JSON: for ``--dry-run``, for the question, for the report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pacha.errors import Concern
from pacha.files.metadata import Entry
from pacha.rebuild.hooks import Hooks, Planned
from pacha.rebuild.planning import PlannedRebuild
from pacha.restore.journal_records import Started
from pacha.restore.plan import Action, Step
from pacha.store.snapshot import Snapshot
from pacha.text import escape, rfc3339


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan with all that a person should know of it before it is carried out.

    ``tip`` is the snapshot's node, ``at`` when it was made (seconds since the epoch), ``by`` whom. ``carries_on``
    are the rebuilds that were cut off and are finished by this one. ``content`` gives the bytes of a
    wanted file. ``parts`` are the paths that were asked for, () for all.
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
        return bool(self.replaced or self.moved_aside or self.preview.plan.ownerless or self.hooks)


def step_line(step: Step) -> str:
    """One step as ``--dry-run`` prints it: what, where, how it differs, what falls short."""
    words = [f"{step.action.value:<8} {escape(step.path)}", f": {step.reason}" if step.reason else ""]
    return "".join(words) + (f" [{step.shortfall}]" if step.shortfall else "")


def watched_line(proposal: Proposal) -> str:
    """Which paths the snapshot says are watched: the only ones at and below which anything is written."""
    snapshot = proposal.snapshot
    return ", ".join(f"{escape(one.path)} ({len(snapshot.below(one))})" for one in snapshot.live) or "nothing"


def as_json(proposal: Proposal) -> dict[str, Any]:
    """The whole of it as JSON values. Paths are str as os.fsdecode makes them: lone surrogates for odd bytes."""
    preview = proposal.preview
    return {
        "host": proposal.host,
        "snapshot": proposal.tip,
        "at": stamp(proposal.at),
        "by": proposal.by,
        "target": os.fsdecode(proposal.target),
        "parts": [os.fsdecode(path) for path in proposal.parts],
        "watched": [os.fsdecode(one.path) for one in proposal.snapshot.live],
        "carries_on": [stamp(begun.at) for begun in proposal.carries_on],
        "totals": {action.value: count for action, count in preview.plan.totals.items()},
        "owners_missing": [os.fsdecode(path) for path in sorted(preview.plan.ownerless)],
        "make_accounts": list(preview.commands),
        "names_by": preview.names_by,
        "hooks": [_hook(hook) for hook in (*proposal.hooks.before, *proposal.hooks.after)],
        "not_hooks": list(proposal.hooks.passed_over),
        "concerns": [concern_json(concern) for concern in proposal.concerns],
        "steps": [_step(step) for step in preview.plan.steps],
    }


def concern_json(concern: Concern) -> dict[str, str]:
    """A concern as JSON values."""
    return {"path": os.fsdecode(concern.path), "reason": concern.reason}


def stamp(at: float) -> str:
    """A time (seconds since the epoch) as RFC 3339 has it, in UTC."""
    return rfc3339(at)


def _hook(hook: Planned) -> dict[str, str]:
    return {"name": hook.label, "sha256": hook.sha256, "owner": hook.owner or "unknown"}


def _step(step: Step) -> dict[str, Any]:
    made: dict[str, Any] = {"path": os.fsdecode(step.path), "action": step.action.value}
    made |= {word: text for word, text in (("reason", step.reason), ("shortfall", step.shortfall)) if text}
    if step.found is not None:
        made["old"] = _what(step.found, step.found.uid, step.found.gid, step.found.mode)
    if step.wanted is not None:
        made["new"] = _what(step.wanted, step.uid, step.gid, step.mode)
    return made


def _what(entry: Entry, uid: int, gid: int, mode: int) -> Mapping[str, Any]:
    made: dict[str, Any] = {"kind": entry.kind.value, "mode": f"{mode:04o}", "uid": uid, "gid": gid}
    made |= {"size": entry.size, "mtime_ns": entry.mtime_ns}
    if entry.sha256 is not None:
        made["sha256"] = entry.sha256.hex()
    if entry.target is not None:
        made["target"] = os.fsdecode(entry.target)
    return made
