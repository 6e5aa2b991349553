"""A rebuild under way: what is known of it once its snapshot is fetched."""

from __future__ import annotations

import os
from dataclasses import dataclass

from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.host.context import Context
from pacha.rebuild import adoption, freshness, partial, renumber, services
from pacha.rebuild.last_word import SignedBy
from pacha.rebuild.options import LabelPolicy, RebuildOptions, ServicePolicy
from pacha.rebuild.planning import PlannedRebuild
from pacha.rebuild.result import Reporter
from pacha.rebuild.services import PlannedServices


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A rebuild under way, whose snapshot is fetched."""

    context: Context
    host: str
    options: RebuildOptions
    reporter: Reporter
    staging: Staging
    fetched: Fetched
    interrupted_renumbering: renumber.InterruptedRenumbering
    began: float  #: by time.monotonic()
    differences: tuple[freshness.Disagreement, ...]
    signed: SignedBy | None = None

    @property
    def adopts(self) -> bool:
        """Whether this machine goes on as the host."""
        whole = not self.options.target and not partial.is_partial(self.options)
        return whole and adoption.may_adopt(self.context, self.host)

    @property
    def service_policy(self) -> ServicePolicy:
        """What is done after the files: where nothing is asked for, a whole rebuild restarts what obeys them."""
        whole = self.adopts and os.geteuid() == 0
        return self.options.services or (ServicePolicy.RESTART if whole else ServicePolicy.LIST)

    def services(
        self, planned: PlannedRebuild, *, again: bool, installed: tuple[str, ...] = ()
    ) -> PlannedServices | None:
        """What the files that are put back, and the packages ``installed``, ask for; below another folder, nothing.

        ``again``: a killed rebuild may have put back any of the files.
        """
        if self.options.target:
            return None
        changed = frozenset(planned.wanted) if again else services.changed_paths(planned.plan)
        labels, owed = self.options.labels is LabelPolicy.POLICY, self.context.state.read().services_owed
        return services.plan(changed, self.service_policy, labels=labels, installed=installed, owed=owed)
