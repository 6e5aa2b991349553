"""The report of a rebuild: ten lines for the screen; everything, as text and JSON, in the state folder."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pacha.errors import Concern
from pacha.files.metadata import Entry
from pacha.rebuild.freshness import Disagreement
from pacha.rebuild.hooks import HookRun, Planned
from pacha.rebuild.living import LivingMachine
from pacha.rebuild.options import Remembered
from pacha.rebuild.proposal import Proposal
from pacha.restore.journal import Journal
from pacha.restore.plan import Action, Step
from pacha.text import escape, local_minute, rfc3339

if TYPE_CHECKING:
    from pacha.rebuild.result import Rebuilt

TEXT, JSON = b"report.txt", b"report.json"
_DONE = {
    Action.CREATE: "made",
    Action.REPLACE: "replaced",
    Action.METADATA: "given back owner, mode, attributes or time",
    Action.SAME: "already right",
}
_NOT_DONE = {
    Action.CANNOT: "not restored",
    Action.KEPT_BY_RULE: "left as pacha.rebuild.keep says",
}


def write(rebuilt: Rebuilt, journal: Journal) -> str:
    """Leave both beside the journal, with which they go in time; returns the path of the text, or why there is none."""
    texts = {TEXT: text(rebuilt), JSON: json.dumps(as_json(rebuilt)) + "\n"}  # indenting takes ten times as long
    try:
        for name, content in texts.items():
            fd = os.open(os.path.join(journal.folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(fd, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(content)
    except OSError as error:
        return f"none: {error.strerror}"  # all is restored: a full state folder does not change that
    return escape(os.path.join(journal.folder, TEXT))


def summary(rebuilt: Rebuilt) -> list[str]:
    """What it came to, in at most ten lines."""
    at = local_minute(rebuilt.proposal.at)
    things = f"{len(rebuilt.concerns)} thing{'s' if len(rebuilt.concerns) > 1 else ''}"
    but = f"but for {things} named above, " if rebuilt.concerns else ""
    where = f" below {escape(rebuilt.proposal.target)}" if rebuilt.proposal.target else ""
    took = f"in {rebuilt.seconds:.1f} s" if rebuilt.seconds else "as far as it can be"
    first = f"{_what(rebuilt)} as it was on {at} (snapshot {rebuilt.proposal.tip[:12]}){where}, {but}{took}."
    return [first, *filter(None, (_done(rebuilt), _extras(rebuilt), _mapped(rebuilt), _hooks(rebuilt), *_end(rebuilt)))]


def how_it_stands(rebuilt: Rebuilt) -> str:
    """The shortest account of it: the first words of a sentence."""
    missing = len(rebuilt.outcome.unrestored)
    placed = f"All is in place but for what is owed ({missing})" if missing else "All files are in place"
    return placed + (f" and this machine goes on as '{rebuilt.proposal.host}'" if rebuilt.adopted else "")


def _what(rebuilt: Rebuilt) -> str:
    """What is as it was: no more than what was asked for."""
    parts = [escape(path) for path in rebuilt.proposal.parts]
    more = f" and {len(parts) - 3} more" if len(parts) > 3 else ""
    which = f"{', '.join(parts[:3])}{more} of " if parts else ""
    return f"{which}'{rebuilt.proposal.host}' {'are' if len(parts) > 1 else 'is'}"


def text(rebuilt: Rebuilt) -> str:
    """All of it, for people."""
    return "\n".join(_all(rebuilt)) + "\n"


def as_json(rebuilt: Rebuilt) -> dict[str, Any]:
    """All of it, as JSON values: the proposal's (``docs/rebuilding.rst``) and what came of it."""
    outcome = rebuilt.outcome
    return {
        **proposal_json(rebuilt.proposal),
        "done": {action.value: count for action, count in outcome.counts.items()},
        "concerns": [concern_json(concern) for concern in rebuilt.concerns],
        "owed": [os.fsdecode(path) for path in outcome.unrestored],
        "corrected": [os.fsdecode(path) for path in outcome.corrected],
        "ran": [_ran(one) for one in rebuilt.ran],
        "adopted": rebuilt.adopted,
        "seconds": round(rebuilt.seconds, 3),
        "report": rebuilt.report,
    }


def _ran(one: HookRun) -> dict[str, str]:
    return {"name": one.label, "failure": one.failure, "output": one.output.decode("utf-8", "backslashreplace")}


def _all(rebuilt: Rebuilt) -> Iterator[str]:
    yield from summary(rebuilt)
    yield f"Watched paths: {watched_line(rebuilt.proposal)}."
    for one in rebuilt.ran:
        yield f"hook     {one.label}: {one.failure or 'done'}"
        yield from (f"         | {line}" for line in output_lines(one))
    yield from (_concern(concern) for concern in rebuilt.concerns)
    yield from (step_line(step) for step in rebuilt.proposal.preview.plan.steps)


def output_lines(one: HookRun) -> list[str]:
    """What a hook printed, safe to print."""
    return [escape(line) for line in one.output.splitlines()]


def _concern(concern: Concern) -> str:
    return f"look at  {escape(concern.path)}: {concern.reason}"


def _done(rebuilt: Rebuilt) -> str:
    counts = rebuilt.outcome.counts
    words = [f"{counts[action]} {word}" for action, word in (_DONE | _NOT_DONE).items() if counts.get(action)]
    return f"Paths: {', '.join(words)}." if words else ""


def _extras(rebuilt: Rebuilt) -> str:
    count, plan = rebuilt.outcome.counts.get(Action.EXTRA, 0), rebuilt.proposal.preview.plan
    if not count:
        return ""
    return f"Not in the snapshot and {'moved aside' if plan.delete else 'left alone'}: {count}."


def _mapped(rebuilt: Rebuilt) -> str:
    """The accounts that have another number here than where the snapshot was made."""
    moved: Counter[str] = Counter()
    for step in rebuilt.proposal.preview.plan.steps:
        entry = step.wanted
        if entry is None or step.action in _NOT_DONE or step.path in rebuilt.proposal.preview.plan.ownerless:
            continue
        if entry.owner is not None and entry.uid != step.uid:
            moved[f"user {escape(entry.owner)} {entry.uid} -> {step.uid}"] += 1
        if entry.group is not None and entry.gid != step.gid:
            moved[f"group {escape(entry.group)} {entry.gid} -> {step.gid}"] += 1
    most = [f"{words} ({count})" for words, count in moved.most_common(4)]
    more = f" and {len(moved) - 4} more" if len(moved) > 4 else ""
    return f"Other numbers here, with how many paths: {', '.join(most)}{more}." if most else ""


def _hooks(rebuilt: Rebuilt) -> str:
    words = [f"{one.label}{' (failed)' if one.failure else ''}" for one in rebuilt.ran]
    return f"Hooks run: {', '.join(words)}." if words else ""


def _end(rebuilt: Rebuilt) -> Iterator[str]:
    counts, plan = rebuilt.outcome.counts, rebuilt.proposal.preview.plan
    if counts.get(Action.REPLACE) or counts.get(Action.METADATA) or (plan.delete and counts.get(Action.EXTRA)):
        yield "What was there before is kept: 'pacha undo' puts it back."
    if rebuilt.outcome.unrestored:
        yield f"Owed: {len(rebuilt.outcome.unrestored)}. Fix what is named above and rebuild again."
    if rebuilt.adopted:
        yield f"From now on this machine pushes as '{rebuilt.proposal.host}'."
    elif rebuilt.proposal.living:
        yield f"This machine still is '{escape(os.fsencode(rebuilt.proposal.living.name))}', and pushes as that."
    if rebuilt.report:
        yield f"Report: {rebuilt.report}"


def step_line(step: Step) -> str:
    """One step as ``--dry-run`` prints it: what, where, how it differs, what falls short."""
    words = [f"{step.action.value:<8} {escape(step.path)}", f": {step.reason}" if step.reason else ""]
    return "".join(words) + (f" [{step.shortfall}]" if step.shortfall else "")


def watched_line(proposal: Proposal) -> str:
    """Which paths the snapshot says are watched: the only ones at and below which anything is written."""
    snapshot = proposal.snapshot
    return ", ".join(f"{escape(one.path)} ({len(snapshot.below(one))})" for one in snapshot.live) or "nothing"


def concern_json(concern: Concern) -> dict[str, str]:
    """A concern as JSON values."""
    return {"path": os.fsdecode(concern.path), "reason": concern.reason}


def stamp(at: float) -> str:
    """A time (seconds since the epoch) as RFC 3339 has it, in UTC."""
    return rfc3339(at)


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """The whole of it as JSON values. Paths are str as os.fsdecode makes them: lone surrogates for odd bytes."""
    preview, release = proposal.preview, proposal.release
    return {
        "host": proposal.host,
        "this_machine": _machine_json(proposal.living) if proposal.living else None,
        "snapshot": proposal.tip,
        "at": stamp(proposal.at),
        "by": proposal.by,
        "target": os.fsdecode(proposal.target),
        "parts": [os.fsdecode(path) for path in proposal.parts],
        "watched": [os.fsdecode(one.path) for one in proposal.snapshot.live],
        "remembered": _remembered_json(proposal.remembered) if proposal.remembered else None,
        "carries_on": [stamp(begun.at) for begun in proposal.carries_on],
        "totals": {action.value: count for action, count in preview.plan.totals.items()},
        "owners_missing": [os.fsdecode(path) for path in sorted(preview.plan.ownerless)],
        "make_accounts": list(preview.commands),
        "names_by": preview.names_by,
        "release": {"recorded": str(release.recorded), "here": str(release.here)} if release else None,
        "differences": [_difference_json(difference) for difference in proposal.differences],
        "hooks": [_hook_json(hook) for hook in (*proposal.hooks.before, *proposal.hooks.after)],
        "not_hooks": list(proposal.hooks.passed_over),
        "concerns": [concern_json(concern) for concern in proposal.concerns],
        "steps": [_step_json(step) for step in preview.plan.steps],
    }


def _machine_json(living: LivingMachine) -> dict[str, Any]:
    return {
        "host": living.name,
        "masters": list(living.masters),
        "pushed": stamp(living.pushed) if living.pushed else None,
        "watched": [os.fsdecode(path) for path in living.watched],
        "becomes": living.becomes,
    }


def _remembered_json(remembered: Remembered) -> dict[str, Any]:
    policy = remembered.accounts
    return {
        "keep": list(remembered.keep),
        "accounts": policy.value if policy else None,
        "owner_map": remembered.owner_map,
    }


def _difference_json(difference: Disagreement) -> dict[str, Any]:
    return {
        "about": difference.about.value,
        "master": os.fsdecode(difference.master),
        "reason": difference.reason,
        "known": difference.known,
    }


def _hook_json(hook: Planned) -> dict[str, str]:
    return {"name": hook.label, "sha256": hook.sha256, "owner": hook.owner or "unknown"}


def _step_json(step: Step) -> dict[str, Any]:
    made: dict[str, Any] = {"path": os.fsdecode(step.path), "action": step.action.value}
    made |= {word: text for word, text in (("reason", step.reason), ("shortfall", step.shortfall)) if text}
    if step.actual is not None:
        made["old"] = _attributes_json(step.actual, step.actual.uid, step.actual.gid, step.actual.mode)
    if step.wanted is not None:
        made["new"] = _attributes_json(step.wanted, step.uid, step.gid, step.mode)
    return made


def _attributes_json(entry: Entry, uid: int, gid: int, mode: int) -> Mapping[str, Any]:
    made: dict[str, Any] = {"kind": entry.kind.value, "mode": f"{mode:04o}", "uid": uid, "gid": gid}
    made |= {"size": entry.size, "mtime_ns": entry.mtime_ns}
    if entry.sha256 is not None:
        made["sha256"] = entry.sha256.hex()
    if entry.target is not None:
        made["target"] = os.fsdecode(entry.target)
    return made
