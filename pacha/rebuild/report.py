"""The report of a rebuild: ten lines for the screen; everything, as text and JSON, in the state folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pacha.push.differences import rules_text
from pacha.rebuild import services_report
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.packages_report import packages_words
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.report_json import WORDS, json_pieces
from pacha.restore.journal import Journal
from pacha.restore.plan import Action, Step
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import enumerated, escape, local_minute

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
    Action.WITHHELD: "left to this machine",
}


def write(rebuilt: Rebuilt, journal: Journal) -> str:
    """Write both reports beside the journal. Returns the path of the text, or why there is none."""
    pieces = {TEXT: (f"{line}\n" for line in _all(rebuilt)), JSON: json_pieces(rebuilt)}
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
    tasks = services_report.summary_line(rebuilt.tasks)
    ran = ", ".join(f"{run.label}{' (failed)' if run.failure else ''}" for run in rebuilt.ran)
    hooks = f"Hooks run: {ran}." if ran else ""
    return [first, *filter(None, (*_counts(rebuilt), _mapped(rebuilt), tasks, hooks, *_end(rebuilt)))]


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


def _counts(rebuilt: Rebuilt) -> Iterator[str]:
    counts, plan = rebuilt.outcome.counts, rebuilt.proposal.preview.plan
    words = [f"{counts[action]} {word}" for action, word in (_DONE | _NOT_DONE).items() if counts.get(action)]
    yield (f"Paths: {', '.join(words)}." if words else "") + packages_words(rebuilt.packages)
    if count := counts.get(Action.EXTRA):
        yield f"Not in the snapshot and {'moved aside' if plan.delete else 'left alone'}: {count}."


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
    line = f"{WORDS[step.action]:<8} {escape(step.path)}"
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
