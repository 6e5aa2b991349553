"""The report of a rebuild: ten lines for the screen; everything, as text and JSON, in the state folder."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pacha.errors import Concern
from pacha.files.metadata import Entry
from pacha.push.differences import rules_text
from pacha.rebuild import services_report
from pacha.rebuild.freshness import Disagreement
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.last_word import SignedBy
from pacha.rebuild.living import LivingMachine
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import Remembered
from pacha.rebuild.packages_report import done_json, packages_json, packages_words
from pacha.rebuild.proposal import Proposal
from pacha.restore.journal import Journal
from pacha.restore.plan import Action, Step
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import enumerated, escape, local_minute, rfc3339

if TYPE_CHECKING:
    from pacha.rebuild.result import Rebuilt

TEXT, JSON = b"report.txt", b"report.json"
_DONE = {
    Action.CREATE: "made",
    Action.REPLACE: "replaced",
    Action.METADATA: "given back owner, mode, attributes or time",
    Action.SAME: "already right",
}
_WORD = {action: action.value for action in Action}  # what is asked for each path: Enum's own is slow
_NOT_DONE = {
    Action.CANNOT: "not restored",
    Action.KEPT_BY_RULE: "left as pacha.rebuild.keep says",
    Action.WITHHELD: "left to this machine",
}


def write(rebuilt: Rebuilt, journal: Journal) -> str:
    """Write both reports beside the journal. Returns the path of the text, or why there is none."""
    pieces = {TEXT: (f"{line}\n" for line in _all(rebuilt)), JSON: _json_pieces(rebuilt)}
    try:
        for name, content in pieces.items():
            fd = os.open(os.path.join(journal.folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(fd, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.writelines(content)
    except OSError as error:
        return f"none: {error.strerror}"  # all is restored: a full state folder does not change that
    return escape(os.path.join(journal.folder, TEXT))


def summary(rebuilt: Rebuilt) -> list[str]:
    """The result, in at most ten lines."""
    at = local_minute(rebuilt.proposal.at)
    count = f"{len(rebuilt.concerns)} thing{'s' if len(rebuilt.concerns) > 1 else ''}"
    but = f"but for {count} named above, " if rebuilt.concerns else ""
    where = f" below {escape(rebuilt.proposal.target)}" if rebuilt.proposal.target else ""
    took = f"in {rebuilt.seconds:.1f} s" if rebuilt.seconds else "as far as it can be"
    first = f"{_what(rebuilt)} as it was on {at} (snapshot {rebuilt.proposal.tip[:12]}){where}, {but}{took}."
    more = (_done(rebuilt), _extras(rebuilt), _mapped(rebuilt), services_report.summary_line(rebuilt.tasks))
    return [first, *filter(None, (*more, _hooks(rebuilt), *_end(rebuilt)))]


def how_it_stands(rebuilt: Rebuilt) -> str:
    """The result as the beginning of a sentence."""
    missing = len(rebuilt.outcome.unrestored)
    placed = f"All is in place but for what is owed ({missing})" if missing else "All files are in place"
    return placed + (f" and this machine goes on as '{rebuilt.proposal.host}'" if rebuilt.adopted else "")


def _what(rebuilt: Rebuilt) -> str:
    """The subject of the summary: the host, or the selected parts of it."""
    parts = [escape(path) for path in rebuilt.proposal.parts]
    which = f"{enumerated(parts, 3)} of " if parts else ""
    return f"{which}'{rebuilt.proposal.host}' {'are' if len(parts) > 1 else 'is'}"


def text(rebuilt: Rebuilt) -> str:
    """The whole report, for people."""
    return "\n".join(_all(rebuilt)) + "\n"


def as_json(rebuilt: Rebuilt) -> dict[str, Any]:
    """The whole report as JSON values: the proposal's (``docs/rebuilding.rst``), and the result."""
    return {**proposal_json(rebuilt.proposal), **_result_json(rebuilt)}


def _json_pieces(rebuilt: Rebuilt) -> Iterator[str]:
    """The same as text, step by step: all of them at once take more memory than a rebuild."""
    yield json.dumps({**_outline_json(rebuilt.proposal), **_result_json(rebuilt)})[:-1] + ', "steps": ['
    for number, step in enumerate(rebuilt.proposal.preview.plan.steps):
        yield (", " if number else "") + json.dumps(_step_json(step))  # indenting takes ten times as long
    yield "]}\n"


def _result_json(rebuilt: Rebuilt) -> dict[str, Any]:
    outcome = rebuilt.outcome
    return {
        "done": {action.value: count for action, count in outcome.counts.items()},
        "concerns": [concern_json(concern) for concern in rebuilt.concerns],
        "owed": [os.fsdecode(path) for path in outcome.unrestored],
        "corrected": [os.fsdecode(path) for path in outcome.corrected],
        "tasks": [services_report.run_json(run) for run in rebuilt.tasks],
        "packages_done": done_json(rebuilt.packages) if rebuilt.packages else None,
        "ran": [_ran(run) for run in rebuilt.ran],
        "adopted": rebuilt.adopted,
        "seconds": round(rebuilt.seconds, 3),
        "report": rebuilt.report,
    }


def _ran(run: HookRun) -> dict[str, str]:
    return {"name": run.label, "failure": run.failure, "output": run.output.decode("utf-8", "backslashreplace")}


def _all(rebuilt: Rebuilt) -> Iterator[str]:
    yield from summary(rebuilt)
    yield f"Watched paths: {watched_line(rebuilt.proposal)}."
    yield from map(services_report.run_line, rebuilt.tasks)
    for run in rebuilt.ran:
        yield f"hook     {run.label}: {run.failure or 'done'}"
        yield from (f"         | {line}" for line in output_lines(run))
    yield from (f"look at  {escape(concern.path)}: {concern.reason}" for concern in rebuilt.concerns)
    yield from (step_line(step) for step in rebuilt.proposal.preview.plan.steps)


def output_lines(run: HookRun) -> list[str]:
    """The output of a hook, safe to print."""
    return [escape(line) for line in run.output.splitlines()]


def _done(rebuilt: Rebuilt) -> str:
    counts = rebuilt.outcome.counts
    words = [f"{counts[action]} {word}" for action, word in (_DONE | _NOT_DONE).items() if counts.get(action)]
    return (f"Paths: {', '.join(words)}." if words else "") + packages_words(rebuilt.packages)


def _extras(rebuilt: Rebuilt) -> str:
    count, plan = rebuilt.outcome.counts.get(Action.EXTRA, 0), rebuilt.proposal.preview.plan
    if not count:
        return ""
    return f"Not in the snapshot and {'moved aside' if plan.delete else 'left alone'}: {count}."


def _mapped(rebuilt: Rebuilt) -> str:
    """The accounts whose number here differs from the recorded one."""
    moved: Counter[str] = Counter()
    for step in rebuilt.proposal.preview.plan.steps:
        entry = step.wanted
        if entry is None or step.action in _NOT_DONE or step.path in rebuilt.proposal.preview.plan.ownerless:
            continue
        if entry.owner is not None and entry.uid != step.uid:
            moved[f"user {escape(entry.owner)} {entry.uid} -> {step.uid}"] += 1
        if entry.group is not None and entry.gid != step.gid:
            moved[f"group {escape(entry.group)} {entry.gid} -> {step.gid}"] += 1
    lines = [f"{words} ({count})" for words, count in moved.most_common()]
    return f"Other numbers here, with how many paths: {enumerated(lines, 4)}." if lines else ""


def _hooks(rebuilt: Rebuilt) -> str:
    words = [f"{run.label}{' (failed)' if run.failure else ''}" for run in rebuilt.ran]
    return f"Hooks run: {', '.join(words)}." if words else ""


def _end(rebuilt: Rebuilt) -> Iterator[str]:
    counts, plan = rebuilt.outcome.counts, rebuilt.proposal.preview.plan
    if counts.get(Action.REPLACE) or counts.get(Action.METADATA) or (plan.delete and counts.get(Action.EXTRA)):
        yield "What was there before is kept: 'pacha undo' puts it back."
    if rebuilt.outcome.unrestored:
        owed = len(rebuilt.outcome.unrestored)
        yield f"Owed: {owed}. Fix what is named above and rebuild again, or keep it as it is: pacha push --accept"
    if rebuilt.adopted:
        yield f"From now on this machine pushes as '{rebuilt.proposal.host}'."
    elif rebuilt.proposal.living:
        yield f"This machine still is '{escape(os.fsencode(rebuilt.proposal.living.name))}', and pushes as that."
    if rebuilt.report:
        yield f"Report: {rebuilt.report}"


def step_line(step: Step) -> str:
    """One step as ``--dry-run`` prints it: what, where, how it differs, what falls short."""
    line = f"{_WORD[step.action]:<8} {escape(step.path)}"
    line += f": {step.reason}" if step.reason else ""
    return line + f" [{step.shortfall}]" if step.shortfall else line


def watched_line(proposal: Proposal) -> str:
    """The watched paths of the snapshot, with what it leaves out; a rebuild writes only at and below them."""
    snapshot = proposal.snapshot
    rules = {watched.exclude for watched in snapshot.live}
    shared = rules.pop() if len(rules) == 1 and len(snapshot.live) > 1 else ()
    paths = ", ".join(_watched(snapshot, watched, shared) for watched in snapshot.live) or "nothing"
    return f"{paths}; all without {rules_text(shared)}" if shared else paths


def _watched(snapshot: Snapshot, watched: Watched, shared: object) -> str:
    rules = f", without {rules_text(watched.exclude)}" if watched.exclude and watched.exclude != shared else ""
    return f"{escape(watched.path)} ({len(snapshot.below(watched))}{rules})"


def concern_json(concern: Concern) -> dict[str, str]:
    """A concern as JSON values."""
    return {"path": os.fsdecode(concern.path), "reason": concern.reason}


def stamp(at: float) -> str:
    """A time (seconds since the epoch) in the format of RFC 3339, in UTC."""
    return rfc3339(at)


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON values. Paths are str as os.fsdecode makes them: lone surrogates for odd bytes."""
    return {**_outline_json(proposal), "steps": [_step_json(step) for step in proposal.preview.plan.steps]}


def _outline_json(proposal: Proposal) -> dict[str, Any]:
    preview, release = proposal.preview, proposal.release
    return {
        "host": proposal.host,
        "this_machine": _machine_json(proposal.living) if proposal.living else None,
        "snapshot": proposal.tip,
        "at": stamp(proposal.at),
        "by": proposal.by,
        "target": os.fsdecode(proposal.target),
        "parts": [os.fsdecode(path) for path in proposal.parts],
        "watched": [os.fsdecode(watched.path) for watched in proposal.snapshot.live],
        "remembered": _remembered_json(proposal.remembered) if proposal.remembered else None,
        "carries_on": [stamp(started.at) for started in proposal.resumes],
        "totals": {action.value: count for action, count in preview.plan.totals.items()},
        "owners_missing": [os.fsdecode(path) for path in sorted(preview.plan.ownerless)],
        "make_accounts": list(preview.commands),
        "names_by": preview.names_by,
        "release": {"recorded": str(release.recorded), "here": str(release.here)} if release else None,
        "services": services_report.plan_json(proposal.services) if proposal.services else None,
        "packages": packages_json(proposal.packages) if proposal.packages else None,
        "machine": _facts_json(proposal.machines) if proposal.machines else None,
        "other_hardware": proposal.bound.other,
        "signed": _signed_json(proposal.signed) if proposal.signed else None,
        "differences": [_difference_json(difference) for difference in proposal.differences],
        "hooks": [
            {"name": hook.label, "sha256": hook.sha256, "owner": hook.owner or "unknown"}
            for hook in (*proposal.hooks.before, *proposal.hooks.after)
        ],
        "not_hooks": list(proposal.hooks.passed_over),
        "concerns": [concern_json(concern) for concern in proposal.concerns],
    }


def _signed_json(signed: SignedBy) -> dict[str, Any]:
    heard = stamp(signed.heard) if signed.heard else None
    return {"key": signed.key, "at": stamp(signed.at), "counter": signed.counter, "heartbeat": heard}


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
        "hardware": remembered.hardware.value if remembered.hardware else None,
        "packages": remembered.packages.value if remembered.packages else None,
    }


def _facts_json(machines: Machines) -> dict[str, Any]:
    return {"recorded": asdict(machines.recorded), "here": asdict(machines.here)}


def _difference_json(difference: Disagreement) -> dict[str, Any]:
    return {
        "about": difference.about.value,
        "master": os.fsdecode(difference.master),
        "reason": difference.reason,
        "known": difference.known,
    }


def _step_json(step: Step) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": os.fsdecode(step.path), "action": _WORD[step.action]}
    if step.reason:
        fields["reason"] = step.reason
    if step.shortfall:
        fields["shortfall"] = step.shortfall
    if step.actual is not None:
        fields["old"] = _attributes_json(step.actual, step.actual.uid, step.actual.gid, step.actual.mode)
    if step.wanted is not None:
        fields["new"] = _attributes_json(step.wanted, step.uid, step.gid, step.mode)
    return fields


def _attributes_json(entry: Entry, uid: int, gid: int, mode: int) -> Mapping[str, Any]:
    fields: dict[str, Any] = {
        "kind": entry.kind, "mode": f"{mode:04o}", "uid": uid, "gid": gid, "size": entry.size,
        "mtime_ns": entry.mtime_ns,
    }  # fmt: skip
    if entry.sha256 is not None:
        fields["sha256"] = entry.sha256.hex()
    if entry.target is not None:
        fields["target"] = os.fsdecode(entry.target)
    return fields
