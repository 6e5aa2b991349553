"""The report of a rebuild and its plan as JSON values, for other programs.

Paths are str as os.fsdecode makes them: lone surrogates for odd bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pacha.errors import Concern
from pacha.files.entry import Entry
from pacha.rebuild import services_report
from pacha.rebuild.freshness import Disagreement
from pacha.rebuild.last_word import SignedBy
from pacha.rebuild.living import LivingMachine
from pacha.rebuild.options import Remembered
from pacha.rebuild.packages_report import done_json, packages_json
from pacha.rebuild.proposal import Proposal
from pacha.restore.plan import Action, Step
from pacha.text import rfc3339

if TYPE_CHECKING:
    from pacha.rebuild.result import Rebuilt

WORDS = {action: action.value for action in Action}  #: asked for each path: Enum's own is slow


def as_json(rebuilt: Rebuilt) -> dict[str, Any]:
    """The whole report as JSON values: the proposal's (``docs/rebuilding.rst``), and the result."""
    return {**proposal_json(rebuilt.proposal), **_result_json(rebuilt)}


def json_pieces(rebuilt: Rebuilt) -> Iterator[str]:
    """The text of ``as_json``, a step at a time: all of them at once take more memory than a rebuild."""
    yield json.dumps({**_outline_json(rebuilt.proposal), **_result_json(rebuilt)})[:-1] + ', "steps": ['
    for number, step in enumerate(rebuilt.proposal.preview.plan.steps):
        yield (", " if number else "") + json.dumps(_step_json(step))  # indenting takes ten times as long
    yield "]}\n"


def _result_json(rebuilt: Rebuilt) -> dict[str, Any]:
    outcome = rebuilt.outcome
    return {
        "done": {action.value: count for action, count in outcome.counts.items()},
        "concerns": [_concern_json(concern) for concern in rebuilt.concerns],
        "owed": [os.fsdecode(path) for path in outcome.unrestored],
        "corrected": [os.fsdecode(path) for path in outcome.corrected],
        "tasks": [services_report.run_json(run) for run in rebuilt.tasks],
        "packages_done": done_json(rebuilt.packages) if rebuilt.packages else None,
        "ran": [
            {"name": run.label, "failure": run.failure, "output": run.output.decode("utf-8", "backslashreplace")}
            for run in rebuilt.ran
        ],
        "adopted": rebuilt.adopted,
        "seconds": round(rebuilt.seconds, 3),
        "report": rebuilt.report,
    }


def _concern_json(concern: Concern) -> dict[str, str]:
    """A concern as JSON values."""
    return {"path": os.fsdecode(concern.path), "reason": concern.reason}


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON values."""
    return {**_outline_json(proposal), "steps": [_step_json(step) for step in proposal.preview.plan.steps]}


def _outline_json(proposal: Proposal) -> dict[str, Any]:
    preview, release = proposal.preview, proposal.release
    return {
        "host": proposal.host,
        "this_machine": _machine_json(proposal.living) if proposal.living else None,
        "snapshot": proposal.tip,
        "at": rfc3339(proposal.at),
        "by": proposal.by,
        "target": os.fsdecode(proposal.target),
        "parts": [os.fsdecode(path) for path in proposal.parts],
        "watched": [os.fsdecode(watched.path) for watched in proposal.snapshot.live],
        "remembered": _remembered_json(proposal.remembered) if proposal.remembered else None,
        "carries_on": [rfc3339(started.at) for started in proposal.resumes],
        "totals": {action.value: count for action, count in preview.plan.totals.items()},
        "owners_missing": [os.fsdecode(path) for path in sorted(preview.plan.ownerless)],
        "make_accounts": list(preview.commands),
        "names_by": preview.names_by,
        "release": {"recorded": str(release.recorded), "here": str(release.here)} if release else None,
        "services": services_report.plan_json(proposal.services) if proposal.services else None,
        "packages": packages_json(proposal.packages) if proposal.packages else None,
        "machine": asdict(proposal.machines) if proposal.machines else None,
        "other_hardware": proposal.bound.other,
        "signed": _signed_json(proposal.signed) if proposal.signed else None,
        "differences": [_difference_json(difference) for difference in proposal.differences],
        "hooks": [
            {"name": hook.label, "sha256": hook.sha256, "owner": hook.owner or "unknown"}
            for hook in (*proposal.hooks.before, *proposal.hooks.after)
        ],
        "not_hooks": list(proposal.hooks.passed_over),
        "concerns": [_concern_json(concern) for concern in proposal.concerns],
    }


def _signed_json(signed: SignedBy) -> dict[str, Any]:
    heard = rfc3339(signed.heard) if signed.heard else None
    return {"key": signed.key, "at": rfc3339(signed.at), "counter": signed.counter, "heartbeat": heard}


def _machine_json(living: LivingMachine) -> dict[str, Any]:
    return {
        "host": living.name,
        "masters": list(living.masters),
        "pushed": rfc3339(living.pushed) if living.pushed else None,
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


def _difference_json(difference: Disagreement) -> dict[str, Any]:
    return {
        "about": difference.about.value,
        "master": os.fsdecode(difference.master),
        "reason": difference.reason,
        "known": difference.known,
    }


def _step_json(step: Step) -> dict[str, Any]:
    fields: dict[str, Any] = {"path": os.fsdecode(step.path), "action": WORDS[step.action]}
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
