"""After the files: make anew what is made from them, test the configuration, restart what obeys it.

Everything is planned before the rebuild, so that it can be shown, and again after the files, which may have brought
units. The network, and what the session stands on, is only named.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pacha.errors import Concern
from pacha.machine import config_checks, generators, selinux, units
from pacha.machine.config_checks import ConfigCheck
from pacha.machine.generators import Generator
from pacha.machine.units import Unit
from pacha.rebuild.options import ServicePolicy
from pacha.restore.plan import Action, Plan
from pacha.system import programs
from pacha.system.executable import find_program
from pacha.system.programs import ProgramRun
from pacha.text import one_line

_SECONDS = 300.0  #: for one program
_LINES = 2  #: of the output that are shown: the last line of nginx -t only says that it failed
_WRITES = (Action.CREATE, Action.REPLACE)
_CONFIGURATION = (b"/etc/", b"/usr/local/share/")  #: where everything lies that a generator, a test or a unit obeys


class ServiceTaskKind(str, Enum):
    """What a task is for."""

    LABEL = "label"
    MAKE = "make"
    RELOAD = "reload"
    CHECK = "check"
    UNIT = "unit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTask:
    """A program (argv) to run after the files: what it is for, in words; ``units``: those that wait for a check.

    ``owed``: what a later plan has to look at if it fails, a path or a unit. ``folders``: one of them has to exist,
    or the first is made. ``also``: why the program at a path counts as failed all the same, "" if it does not.
    ``is_left``: a unit that no rebuild restarts.
    """

    kind: ServiceTaskKind
    about: str
    argv: tuple[str, ...]
    owed: str = ""
    units: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()
    also: Callable[[str], str] = lambda path: ""
    is_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedServices:
    """What is done after the files: ``tasks`` in their order; ``listed``: what is left to a person.

    ``failure``: why it cannot be told which units are concerned, "" where it can.
    """

    policy: ServicePolicy
    tasks: tuple[ServiceTask, ...] = ()
    listed: tuple[ServiceTask, ...] = ()
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """A task that was run, or left: why it failed ("": it did not), the end of its output."""

    task: ServiceTask
    failure: str = ""
    said: str = ""

    @property
    def concern(self) -> Concern | None:
        """What a person should look at, None for nothing."""
        if not self.failure:
            return None
        return Concern(os.fsencode(self.task.about), f"{' '.join(self.task.argv)}: {self.failure}{self._last}")

    @property
    def _last(self) -> str:
        return f" ({self.said})" if self.said else ""


def plan(
    changed: Collection[bytes],
    policy: ServicePolicy,
    *,
    labels: bool,
    installed: Collection[str] = (),
    owed: Collection[str] = (),
) -> PlannedServices | None:
    """What the ``changed`` paths of this machine, and the packages just ``installed``, ask for; None for nothing.

    ``labels``: files are given the labels of this machine's policy, where one is in force. ``owed``: what failed after
    an earlier rebuild.
    """
    if policy is ServicePolicy.NONE or not (changed or installed or owed):
        return None
    configured = [path for path in changed if path.startswith(_CONFIGURATION)]  # a few of perhaps 100,000
    configured += [os.fsencode(path) for path in owed if path.startswith("/")]
    checks = list(config_checks.concerned(configured))
    concerned, failure = _units(configured, installed, checks, owed)
    make = list(generators.concerned(configured))
    tasks = [
        *(_labels(changed) if labels else ()),
        *(_make_task(generator) for generator in make if not generator.is_listed),
        *_of_units(concerned, configured, checks),
    ]
    listed = [
        *(_make_task(generator) for generator in make if generator.is_listed),
        *(_unit_task(unit) for unit in concerned if unit.is_left and unit.action),
    ]
    if not tasks and not listed and not failure:
        return None
    if policy is ServicePolicy.LIST:
        tasks, listed = [], [*tasks, *listed]
    return PlannedServices(policy=policy, tasks=tuple(tasks), listed=tuple(listed), failure=failure)


def changed_paths(planned: Plan) -> frozenset[bytes]:
    """The paths whose content the ``planned`` rebuild makes or replaces."""
    return frozenset(step.path for step in planned.steps if step.action in _WRITES)


def run(
    planned: PlannedServices,
    scratch: Path,
    on_task: Callable[[ServiceTask], None],
    plan_again: Callable[[], PlannedServices | None],
) -> tuple[TaskRun, ...]:
    """Run the tasks of ``planned``; one that fails stops none of the others but the units that waited for it.

    Once systemd has read its units again it is ``plan_again`` that says what follows: only now it knows the units that
    the files brought. What the programs say passes through a file in ``scratch``.
    """
    first, then = _parted(planned)
    runs = list(_runs(first, scratch, on_task))
    if first:
        planned = plan_again() or planned
        _, then = _parted(planned)
    unknown = ServiceTask(kind=ServiceTaskKind.UNIT, about="which services obey the files", argv=("systemctl", "show"))
    runs += [TaskRun(task=unknown, failure=planned.failure)] if planned.failure else []
    return (*runs, *_runs(then, scratch, on_task))


def owed(runs: Iterable[TaskRun]) -> tuple[str, ...]:
    """What the next rebuild has to look at once more: the paths and the units of the ``runs`` that failed."""
    return tuple(sorted({run.task.owed for run in runs if run.failure and run.task.owed}))


def _parted(planned: PlannedServices) -> tuple[Sequence[ServiceTask], Sequence[ServiceTask]]:
    """The tasks up to the one with which systemd reads its units again (none: without it), and the others."""
    kinds = [task.kind for task in planned.tasks]
    end = kinds.index(ServiceTaskKind.RELOAD) + 1 if ServiceTaskKind.RELOAD in kinds else 0
    return planned.tasks[:end], planned.tasks[end:]


def _runs(tasks: Sequence[ServiceTask], scratch: Path, on_task: Callable[[ServiceTask], None]) -> Iterator[TaskRun]:
    failed: set[str] = set()
    for task in tasks:
        if task.kind is ServiceTaskKind.UNIT and task.about in failed:
            yield TaskRun(task=task, failure="not done, as its configuration does not pass its test")
            continue
        on_task(task)
        ended = _ended(task, scratch)
        failed |= task.units if ended.failure else set()
        yield ended


def _ended(task: ServiceTask, scratch: Path) -> TaskRun:
    path = find_program(task.argv[0])
    ended = ProgramRun("it is not installed", b"")
    if task.folders and not any(map(os.path.isdir, task.folders)):
        with suppress(OSError):  # then the program says that it is missing
            os.makedirs(task.folders[0], mode=0o755)
    if path:
        ended = programs.run([path, *task.argv[1:]], programs.environment(), _SECONDS, scratch)
    last = [line for line in ended.output.splitlines() if line.strip()][-_LINES:]
    failure = ended.failure or task.also(path)
    return TaskRun(task=task, failure=failure, said=one_line(b" / ".join(last)))


def _units(
    changed: Collection[bytes], installed: Collection[str], checks: Iterable[ConfigCheck], owed: Iterable[str]
) -> tuple[list[Unit], str]:
    if not units.runs_systemd():
        return [], ""
    try:
        known = frozenset(owed).union(*(check.units for check in checks))
        return units.concerned(changed, installed, known), ""
    except OSError as error:
        return [], error.strerror or str(error)


def _labels(changed: Collection[bytes]) -> Iterator[ServiceTask]:
    if selinux.is_active():
        for argv in selinux.relabel(changed):
            yield ServiceTask(kind=ServiceTaskKind.LABEL, about="the labels of SELinux", argv=argv)


def _of_units(
    found: Sequence[Unit], changed: Collection[bytes], checks: Iterable[ConfigCheck]
) -> Iterator[ServiceTask]:
    """The reloading of systemd, the checks, and the units."""
    restarted = [unit for unit in found if unit.action and not unit.is_left]
    if units.runs_systemd() and any(path.startswith(units.OWN + b"/") for path in changed):
        yield ServiceTask(
            kind=ServiceTaskKind.RELOAD, about="the units of systemd", argv=("systemctl", "daemon-reload")
        )
    for check in checks:
        source = os.fsdecode(check.sources[0])
        yield ServiceTask(
            kind=ServiceTaskKind.CHECK, about=source, owed=source, argv=check.argv, units=check.units,
            folders=check.needs, also=check.also,
        )  # fmt: skip
    yield from map(_unit_task, restarted)


def _make_task(generator: Generator) -> ServiceTask:
    source = os.fsdecode(generator.sources[0])
    return ServiceTask(kind=ServiceTaskKind.MAKE, about=generator.what, argv=generator.argv, owed=source)


def _unit_task(unit: Unit) -> ServiceTask:
    argv = ("systemctl", unit.action, "--", unit.name)
    return ServiceTask(kind=ServiceTaskKind.UNIT, about=unit.name, owed=unit.name, argv=argv, is_left=unit.is_left)
