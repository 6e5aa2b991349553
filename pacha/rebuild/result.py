"""The result of a rebuild, and the callbacks that it reports to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.fetch.fetched import Fetched
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.install_packages import InstalledPackages
from pacha.rebuild.proposal import Proposal
from pacha.rebuild.services import ServiceTask, TaskRun
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Step
from pacha.wire.scp import Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did. ``adopted``: this machine now pushes as the host; ``report``: the path of the report."""

    proposal: Proposal
    outcome: Outcome
    ran: tuple[HookRun, ...]
    adopted: bool
    fetched: Fetched
    report: str = ""
    seconds: float = 0.0
    tasks: tuple[TaskRun, ...] = ()  #: what was done after the files
    packages: InstalledPackages | None = None  #: None: none were to be installed

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person should look at."""
        failed = (Concern(os.fsencode(run.label), f"the hook failed: {run.failure}") for run in self.ran if run.failure)
        tasks = (concern for run in self.tasks if (concern := run.concern))
        return (*(self.packages.concerns if self.packages else ()), *self.outcome.concerns, *tasks, *failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """The callbacks of a rebuild. ``confirm`` is called before anything is changed, and may raise.

    ``wants_packages`` is asked after it whether to install packages, where that was not said.
    """

    on_file: Callable[[Received], None] = lambda received: None
    on_fetched: Callable[[Fetched], None] = lambda fetched: None
    on_plan: Callable[[Proposal], None] = lambda proposal: None
    confirm: Callable[[Proposal], None] = lambda proposal: None
    wants_packages: Callable[[Proposal], bool] = lambda proposal: False
    on_hook: Callable[[HookRun], None] = lambda ran: None
    on_task: Callable[[ServiceTask], None] = lambda task: None
    on_step: Callable[[Step], None] = lambda step: None
    on_expected: Callable[[int], None] = lambda files: None


SILENT = Reporter()  #: does nothing
