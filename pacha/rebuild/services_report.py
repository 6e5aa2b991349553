"""What is done after the files of a rebuild, and what came of it, as lines and as JSON values."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from pacha.rebuild.options import ServicePolicy
from pacha.rebuild.services import PlannedServices, ServiceTask, ServiceTaskKind, TaskRun
from pacha.text import enumerated, escape

_SHOWN = 20  #: units that are named
_PLANNED = {ServiceTaskKind.MAKE: "Made anew", ServiceTaskKind.CHECK: "Tested", ServiceTaskKind.UNIT: "Restarted"}
_DONE = {ServiceTaskKind.MAKE: "made anew", ServiceTaskKind.CHECK: "tested", ServiceTaskKind.UNIT: "restarted"}


def plan_lines(planned: PlannedServices) -> Iterator[str]:
    """The plan: what is made anew, tested, restarted, and what is left to a person."""
    for kind, words in _PLANNED.items():
        if names := [escape(task.about) for task in planned.tasks if task.kind is kind]:
            yield f"{words} after the files: {enumerated(names, _SHOWN)}."
    if planned.failure:
        yield f"Which services obey the files cannot be told: {escape(planned.failure)}."
    if planned.listed:
        yield "For you to do after the files:" if planned.policy is ServicePolicy.LIST else "Left to you:"
        yield from (f"         {_command(task)}" for task in planned.listed)


def summary_line(runs: Sequence[TaskRun]) -> str:
    """How many tasks were done, and which failed; "" for none."""
    done = [(sum(run.task.kind is kind and not run.failure for run in runs), words) for kind, words in _DONE.items()]
    counts = [f"{count} {words}" for count, words in done if count]
    failed = [escape(run.task.about) for run in runs if run.failure]
    counts += [f"failed or left: {enumerated(failed, 5)}"] if failed else []
    return f"After the files: {', '.join(counts)}." if counts else ""


def run_line(run: TaskRun) -> str:
    """One task and what came of it."""
    return f"after    {_command(run.task)}: {escape(run.failure or 'done')}" + (f" | {run.said}" if run.said else "")


def plan_json(planned: PlannedServices) -> dict[str, Any]:
    """The plan as JSON values."""
    return {
        "policy": planned.policy.value,
        "tasks": [_task_json(task) for task in planned.tasks],
        "listed": [_task_json(task) for task in planned.listed],
        "failure": planned.failure,
    }


def run_json(run: TaskRun) -> dict[str, Any]:
    """A task and what came of it as JSON values."""
    return {**_task_json(run.task), "failure": run.failure, "said": run.said}


def _task_json(task: ServiceTask) -> dict[str, Any]:
    return {"kind": task.kind.value, "about": task.about, "command": list(task.argv)}


def _command(task: ServiceTask) -> str:
    """The line to paste that does ``task``."""
    return escape(shlex.join(task.argv))
