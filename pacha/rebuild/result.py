"""The result of a rebuild, and the callbacks that it reports to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.fetch.staging import Fetched
from pacha.rebuild.hooks import HookRun
from pacha.rebuild.proposal import Proposal
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Step
from pacha.wire.scp import Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild did. ``adopted``: this machine now goes on as the host; ``report``: where all of it is written."""

    proposal: Proposal
    outcome: Outcome
    ran: tuple[HookRun, ...]
    adopted: bool
    fetched: Fetched
    report: str = ""
    seconds: float = 0.0

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What a person should look at."""
        failed = (Concern(os.fsencode(one.label), f"the hook failed: {one.failure}") for one in self.ran if one.failure)
        return (*self.outcome.concerns, *failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Whom a rebuild tells what it does. ``confirm`` comes before anything is changed, and may raise."""

    on_file: Callable[[Received], None] = lambda received: None
    on_fetched: Callable[[Fetched], None] = lambda fetched: None
    on_plan: Callable[[Proposal], None] = lambda proposal: None
    confirm: Callable[[Proposal], None] = lambda proposal: None
    on_hook: Callable[[HookRun], None] = lambda ran: None
    on_step: Callable[[Step], None] = lambda step: None
    on_expected: Callable[[int], None] = lambda files: None


SILENT = Reporter()  #: tells nobody
