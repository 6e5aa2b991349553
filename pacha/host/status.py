"""The state of this host, from what is remembered here. Contacts no master."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pacha.errors import Concern
from pacha.files.names import DATABASE
from pacha.host import due, orphans, owed, runner, schedule
from pacha.host.context import Context
from pacha.store import database, hg, scan_cache
from pacha.store.host_state import HostState, MasterState, Orphans
from pacha.system.presence import is_absent


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterStatus:
    """A master. Times are seconds since the epoch, 0: never; ``unsent``: how many snapshots are missing there.

    ``current``: it has the newest snapshot, as a push or a rebuild told.
    """

    name: str
    succeeded: float
    tried: float
    failure: str
    unsent: int
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The state of this host. Times are seconds since the epoch, 0: never; ``frequency`` is in hours.

    ``failure``: why the last push did not reach every master, "" if it did, ``cure`` what to do about it; ``next_due``
    0: at once; ``running``: who is at work now, "" for nobody; ``concerns``: what the last push named; ``left_out``:
    what is never kept, by path; ``schedule``: the files of the job, ``idle``: why nothing runs it; ``unfinished``:
    rebuilds that were interrupted; ``orphans``: what a rebuild keeps for missing accounts.
    """

    host: str
    machine: str
    frequency: float
    watched: int
    tried: float
    succeeded: float
    failure: str
    cure: str
    next_due: float
    overdue: bool
    running: str
    tip: str
    masters: tuple[MasterStatus, ...]
    concerns: tuple[Concern, ...]
    owed: tuple[bytes, ...]
    unfinished: tuple[str, ...]
    left_out: Mapping[bytes, str]
    schedule: tuple[str, ...]
    services_owed: tuple[str, ...] = ()
    orphans: tuple[Orphans, ...] = ()
    idle: runner.Idle | None = None

    @property
    def fine(self) -> bool:
        """Whether there is nothing to look at. A running push has not failed yet."""
        unsent = any(master.unsent or master.failure for master in self.masters)
        late = (self.failure or self.overdue or unsent) and not self.running
        left = self.concerns or self.owed or self.services_owed or self.unfinished or self.orphans
        return not (late or not self.succeeded or left or self.idle)


def status(context: Context) -> Status:
    """What this machine knows about the last pushes and rebuilds. Raises ConfigError, PachaError."""
    holder = context.state.holder()
    state = due.as_known(context.state.read(), holder)
    snapshot = database.read(context.state.database, whole=False)
    frequency, now, jobs = context.config.frequency, time.time(), schedule.installed()
    return Status(
        host=context.hostname(),
        machine=state.machine,
        frequency=frequency,
        watched=len(snapshot.live),
        tried=state.tried,
        succeeded=state.succeeded,
        failure=state.failure,
        cure=state.cure,
        next_due=0.0 if now < state.succeeded else due.next_push(state, frequency),
        overdue=due.is_overdue(state, frequency, now),
        running=holder.why if holder else "",
        tip=state.tip,
        masters=tuple(_master(context, name, state) for name in context.config.masters()),
        concerns=state.concerns,
        owed=tuple(sorted(owed.paths(context.state))),
        services_owed=state.services_owed,
        unfinished=tuple(each.id for each in owed.interrupted_rebuilds(context.state, snapshot)),
        left_out=dict(sorted(scan_cache.read(context.state.cache).left_out.items())),
        schedule=tuple(map(str, jobs)),
        orphans=orphans.unsettled(state.orphans),
        idle=runner.idle(jobs=jobs),
    )


def _master(context: Context, name: str, state: HostState) -> MasterStatus:
    master = state.masters.get(name, MasterState())
    newest, unsent = master.sent.get(DATABASE), 0
    repository = context.state.repository(DATABASE)
    if state.tip and newest != state.tip and not is_absent(repository):
        nodes = list(hg.Repository.open(repository, heal=False).revisions())
        unsent = nodes.index(newest) if newest in nodes else len(nodes)
    return MasterStatus(
        name=name,
        succeeded=master.succeeded,
        tried=master.tried,
        failure=master.failure,
        unsent=unsent,
        current=bool(state.tip) and newest == state.tip,
    )
