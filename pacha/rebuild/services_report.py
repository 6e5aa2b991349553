"""What is done after the files of a rebuild, and its result, as lines and as JSON values."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from pacha.rebuild.options import ServicePolicy
from pacha.rebuild.services import PlannedServices, ServiceTask, ServiceTaskKind, TaskRun
from pacha.text import enumerated, escape

_SHOWN = 20  #: units that are named
_NAME = 3  #: where the command for a unit has its name
_PLANNED = {ServiceTaskKind.MAKE: "Made anew", ServiceTaskKind.CHECK: "Tested", ServiceTaskKind.UNIT: "Restarted"}
_DONE = {ServiceTaskKind.MAKE: "made anew", ServiceTaskKind.CHECK: "tested", ServiceTaskKind.UNIT: "restarted"}


def plan_lines(planned: PlannedServices) -> Iterator[str]:
    """The plan: what is made anew, tested, restarted, and what is left to a person."""
    for kind, words in _PLANNED.items():
        if names := [escape(task.about) for task in planned.tasks if task.kind is kind]:
            yield f"{words} after the files: {enumerated(names, _SHOWN)}."
    if planned.failure:
        yield f"Which services obey the files cannot be told: {escape(planned.failure)}."
    if pasted := [task for task in planned.listed if not task.is_left]:
        yield "For you to do after the files:" if planned.policy is ServicePolicy.LIST else "Left to you:"
        yield from (f"         {line}" for line in _commands(pasted))
    if left := [task.about for task in planned.listed if task.is_left]:
        yield f"Not restarted, as that may cut you off; a reboot does it: {_grouped(left)}."


def summary_line(runs: Sequence[TaskRun]) -> str:
    """How many tasks were done, and which failed; "" for none."""
    done = [(sum(run.task.kind is kind and not run.failure for run in runs), words) for kind, words in _DONE.items()]
    counts = [f"{count} {words}" for count, words in done if count]
    failed = [escape(run.task.about) for run in runs if run.failure]
    counts += [f"failed or left: {enumerated(failed, 5)}"] if failed else []
    return f"After the files: {', '.join(counts)}." if counts else ""


def run_line(run: TaskRun) -> str:
    """One task and its result."""
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
    """A task and its result as JSON values."""
    return {**_task_json(run.task), "failure": run.failure, "said": run.said}


def _task_json(task: ServiceTask) -> dict[str, Any]:
    return {"kind": task.kind.value, "about": task.about, "command": list(task.argv)}


def _commands(tasks: Sequence[ServiceTask]) -> Iterator[str]:
    """The lines to paste that do ``tasks``; units that follow each other have one, if the word for them is the same."""
    for (kind, *words), alike in groupby(tasks, key=lambda task: (task.kind, *task.argv[:_NAME])):
        if kind is ServiceTaskKind.UNIT:
            yield escape(shlex.join([*words, *(task.argv[_NAME] for task in alike)]))
        else:
            yield from map(_command, alike)


def _grouped(units: Sequence[str]) -> str:
    """The names of ``units``; those of systemd itself, which every machine has by the dozen, as their number."""
    named = [unit for unit in units if not unit.startswith("systemd-")]
    rest = len(units) - len(named)
    words = f"{rest} of systemd itself" if rest else ""
    return " and ".join(filter(None, (enumerated([*map(escape, named)], _SHOWN), words)))


def _command(task: ServiceTask) -> str:
    """The line to paste that does ``task``."""
    return escape(shlex.join(task.argv))
