"""A push: scan, commit what changed, send what each master is missing, leave the heartbeat.

Content is sent first and ``db`` last (see ``target.content_first``), so that every revision of ``db`` on a master finds
all that it names there. An interrupted push changes nothing that a rebuild would see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pacha.errors import Concern, PachaError, refusal, refused
from pacha.fetch import staging_dir
from pacha.host.context import Context
from pacha.host.due import PUSH
from pacha.push import changed_masters, cloned, connect, deliver, purged, reconcile
from pacha.push.before import run_programs
from pacha.push.scan import asking_for_packages, describe_machine, read_last_snapshot, scan
from pacha.push.session import PushSession
from pacha.push.snapshot import NewSnapshot, commit_snapshot
from pacha.store.snapshot import Changes
from pacha.system.presence import is_absent
from pacha.text import escape
from pacha.wire.master import RolledBack

if TYPE_CHECKING:
    from pacha.push.parallel import Sharing

#: Remembered as the failure until the push ends; after a kill it stays.
_CUT_OFF = "The last push was interrupted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What a push did. ``tip``: the newest snapshot (hex node); ``masters``: those that have it now.

    ``packages``: the changes of packages, a line each; ``committed``: a snapshot was made; ``sent``: something was
    missing on a master; ``failures``: the names of masters that were not brought up to date, and why. The next push
    sends what they are missing.
    """

    host: str
    masters: tuple[str, ...]
    tip: str
    changes: Changes
    packages: tuple[str, ...]
    paths: int
    committed: bool
    sent: bool
    concerns: tuple[Concern, ...]
    notices: tuple[str, ...]
    failures: tuple[tuple[str, PachaError], ...] = ()
    seconds: float = 0.0

    @property
    def masters_text(self) -> str:
        """The masters that have it now, for people: "a and b"."""
        return " and ".join(self.masters)

    @property
    def failure(self) -> PachaError | None:
        """Why no master has it, None if one has."""
        return None if self.masters else self.failures[0][1]


def push(
    context: Context,
    *,
    accept: bool = False,
    take_over: bool = False,
    message: str = "",
    wait_seconds: float = 0,
    sharing: Sharing | None = None,
) -> Pushed:
    """Push what is watched. ``accept``: see ``scan.read_last_snapshot``; ``sharing``: for a first push.

    Raises LockedError, ConfigError, PachaError if nothing could be tried.
    """
    began = time.monotonic()
    context.config.masters()  # raises for a missing one before anything is done
    with context.state.locked(wait_seconds, PUSH):
        state = context.state.update(tried=time.time(), failure=_CUT_OFF, cure="")
        if state.staging or state.staging_left:  # of a killed rebuild, with all files in the clear
            staging_dir.remove_leftovers(context)
        try:
            new_session = partial(_session, context, take_over, message, sharing)
            concerns = _run_before(context, new_session, accept)
            pushed = _until_not_rolled_back(context, partial(new_session, concerns), accept)
        except Exception as error:
            with suppress(OSError):  # for example a full disk: raise the first error
                context.state.update(failure=_in_a_line(error), cure=getattr(error, "hint", ""))
            raise
    return replace(pushed, seconds=time.monotonic() - began)


def _session(
    context: Context,
    take_over: bool,
    message: str,
    sharing: Sharing | None,
    concerns: Sequence[Concern] = (),
) -> PushSession:
    session = PushSession(
        context=context, host=context.hostname(), take_over=take_over, message=message, state=context.state.read(),
        sharing=sharing,
    )  # fmt: skip
    session.concerns += concerns
    return session


def _run_before(context: Context, new_session: Callable[[], PushSession], accept: bool) -> list[Concern]:
    """Run the before-push programs, if this push will go on; return what is to be told of them.

    No master is connected yet: such a program, for example a database dump, may run longer than an idle connection
    stays open.
    """
    folder = context.config.before_push
    if folder is None or is_absent(folder):
        return []
    session = new_session()
    reconcile.check_name(session, read_last_snapshot(session, accept))
    return list(run_programs(context, folder))


def _until_not_rolled_back(context: Context, new_session: Callable[[], PushSession], accept: bool) -> Pushed:
    """Push, and again after a master rolled back an interrupted push: once for each master."""
    for _ in context.config.masters():
        with suppress(RolledBack):
            return _push(new_session(), accept)
    return _push(new_session(), accept)


def _push(session: PushSession, accept: bool) -> Pushed:
    with connect.connecting(session) as connections:  # in parallel
        last = read_last_snapshot(session, accept)
        reconcile.check_name(session, last)
        with asking_for_packages(session, last):
            last = scan(session, last)
            session.companions = describe_machine(session)
            connect.attach(session, connections)
            cloned.compare_machine_id(session)
            purged.follow(session, last)
            changed_masters.compare_with_last_push(session, last)
            base = reconcile.base(session, last)
            new = commit_snapshot(session, base)
        sent = deliver.deliver(session, new.snapshot, new.tip)
        changed_masters.compare_after_push(session)
        session.record()
        return _pushed(session, new, sent)


def _pushed(session: PushSession, new: NewSnapshot, sent: bool) -> Pushed:
    return Pushed(
        host=session.host,
        masters=tuple(target.label for target in session.reached),
        tip=new.tip,
        changes=new.changes,
        packages=new.packages,
        paths=len(new.snapshot.entries),
        committed=new.committed,
        sent=sent,
        concerns=tuple(session.concerns),
        notices=tuple(session.notices),
        failures=tuple((target.name, target.failure) for target in session.targets if target.failure),
    )


def _in_a_line(error: Exception) -> str:
    if isinstance(error, PachaError):
        return error.in_a_line
    known = refused(error) if isinstance(error, OSError | MemoryError) else None
    return refusal(known) if known else escape(str(error)) or type(error).__name__  # "" would be no failure
