"""Check that all is well here and on the master: each check, its result, how to fix it. Changes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pacha.errors import ExitCode, PachaError, refusal
from pacha.files.entry import Kind
from pacha.host import before_push, due, master_checks, orphans, owed, runner, schedule, signing
from pacha.host.context import Context
from pacha.host.doctor_check import Check, failed, look, room, versions
from pacha.host.watch import first_steps
from pacha.sealing import readable, recipients
from pacha.sealing.rules import SealRules
from pacha.store import database
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder
from pacha.system.presence import is_absent
from pacha.text import escape, local_minute

if TYPE_CHECKING:
    from pacha.config.config import Config
    from pacha.store.host_state import HostState

_MOST_ACCOUNTS = 5
_MOST_SHOWN = 10  #: concerns of the last push
_JOURNALS = "Let the account that runs Pacha read it, or look at the disk."
_JOBS = (schedule.TIMER, schedule.CRON)


def inspect(load: Callable[[], Config], state: StateFolder) -> Iterator[Check]:
    """Yield each check. ``load`` returns the configuration, or raises ConfigError. Raises nothing itself."""
    yield from versions()
    try:
        context = Context(load(), state)
        masters = context.config.masters()
        host = context.hostname()
    except PachaError as error:
        yield failed("configuration" if error.exit_code == ExitCode.CONFIG else "state", error)
        return
    yield Check(about="configuration", result=f"{escape(str(context.config.path))} is valid")
    yield from (look("configuration", warning, "Remove that line.") for warning in context.config.warnings)
    yield Check(about="host", result=f"this machine pushes as '{host}'")
    yield from _of_this_machine(context)
    for master in masters:
        yield from (replace(check, master=master) for check in master_checks.of_master(context, host, master))


def _of_this_machine(context: Context) -> Iterator[Check]:
    """The checks of this machine."""
    try:
        last = database.read(context.state.database)
        watched = last.live
        holder = context.state.holder()
        state = due.as_known(context.state.read(), holder)
        if context.state.path.exists():
            context.state.check_owner()
    except PachaError as error:
        yield failed("state", error)
        return
    if context.state.is_read_only:
        yield failed("state", context.state.unwritable())
    rebuilds = _rebuilds(context.state, last)
    yield from rebuilds
    paths = ", ".join(escape(entry.path) for entry in watched[:5]) + (" ..." if len(watched) > 5 else "")
    yield (
        Check(about="watched", result=paths)
        if watched
        else look("watched", "nothing yet", rebuilds[-1].cure if rebuilds else first_steps(context.hostname()))
    )
    yield from _space(context)
    yield _schedule()
    yield from _before_push(context)
    yield _signing(context)
    yield from _sealing(context, last)
    yield Check(about="last push", result=holder.why) if holder else _last_push(state)
    yield from _orphans(state)
    for concern in state.concerns[:_MOST_SHOWN]:
        yield look("last push", f"{escape(concern.path)}: {concern.reason}", "See all that it named: pacha status")


def _rebuilds(state: StateFolder, last: Snapshot) -> list[Check]:
    """The checks of the rebuilds of this machine: one for each that was interrupted."""
    try:
        interrupted = owed.interrupted_rebuilds(state, last)
    except OSError as error:
        return [look("rebuild", f"whether one was interrupted cannot be read: {refusal(error)}", _JOURNALS)]
    return [look("rebuild", f"that of '{each.host}' was not finished", each.cure) for each in interrupted]


def _space(context: Context) -> Iterator[Check]:
    temporary = Path(os.path.abspath(os.environ.get("TMPDIR") or "/tmp"))  # noqa: S108
    for kind, folder in (("state folder", context.state.path), ("temporary folder", temporary)):
        place = next(directory for directory in (folder, *folder.parents) if directory.exists())
        yield room(f"the {kind} {escape(folder)}", shutil.disk_usage(place).free, "Make room there.")


def _schedule() -> Check:
    jobs = [str(path) for path in schedule.installed() if str(path).endswith(_JOBS)]
    cure = "Let it push by itself: pacha schedule install"
    if os.geteuid() != 0:
        cure = "If your crontab does not push yet, add the line of: pacha schedule show --cron"
    if not jobs:
        return look("schedule", "no job of Pacha's is installed", cure)
    if idle := runner.idle():
        return look("schedule", f"nothing runs {jobs[0]}: {idle.why}", idle.cure)
    return Check(about="schedule", result=jobs[0])


def _before_push(context: Context) -> Iterator[Check]:
    """The checks of the before-push programs: which would run, which not, and why."""
    folder = context.config.before_push
    if folder is None or is_absent(folder):
        return
    found = before_push.find(folder)
    names = ", ".join(escape(path.name) for path in found.programs) or "no program"
    others = f"; not {', '.join(found.passed_over)}" if found.passed_over else ""
    yield Check(about="before a push", result=f"it runs {names} in {escape(folder)}{others}")
    for concern in found.refused:
        yield look("before a push", f"{escape(concern.path)}: {concern.reason}", before_push.CURE)


def _signing(context: Context) -> Check:
    """The check of the key that signs snapshots; only one that the configuration names has to."""
    key = signing.own_key(context.config)
    if key is None:
        return Check(about="signing", result=f"snapshots are not signed: {signing.why_none(context.config)}")
    try:
        line = signing.allowed_line(context.hostname(), signing.trial(key))
    except PachaError as error:
        return failed("signing", error)
    return Check(about="signing", result=f"{escape(key.path)} signs; for pacha.signers elsewhere: {line}")


def _sealing(context: Context, last: Snapshot) -> Iterator[Check]:
    """The checks of what is sealed, and of secrets that are not."""
    config = context.config
    try:
        rules = SealRules(config.seal, [watched.path for watched in last.live])
        for_whom = recipients.read(config.seal_to) if config.seal else None
    except PachaError as error:
        yield failed("sealing", error)
        return
    clear = (path for path, entry in last.entries.items() if entry.sealed is None and entry.kind is Kind.FILE)
    if found := readable.find(path for path in clear if not rules.matches(path)):
        text = f"{found.words} {found.verb} readable on the master; to seal: {found.setting}"
        yield Check(about="secrets", result=f"{text} (share/doc/pacha/sealing.rst)")
    if for_whom and for_whom.warning:
        yield look("sealing", for_whom.warning, f"Add a line to {escape(config.seal_to or '')}, and push.")
    elif for_whom:
        number = sum(entry.sealed is not None for entry in last.entries.values())
        yield Check(about="sealing", result=f"{number} files are sealed, for {len(for_whom.keys)} recipients")


def _last_push(state: HostState) -> Check:
    if state.failure:
        return look("last push", f"it failed: {state.failure}", state.cure or "Run it again: pacha push")
    if not state.succeeded:
        return look("last push", "there was none yet", "Make one, unless a host is to be rebuilt here: pacha push")
    when = local_minute(state.succeeded)
    return Check(about="last push", result=f"succeeded on {when}")


def _orphans(state: HostState) -> Iterator[Check]:
    unsettled = orphans.unsettled(state.orphans)
    for orphan in unsettled[:_MOST_ACCOUNTS]:
        kind = "group" if orphan.is_group else "user"
        make = f"{kind}add {'--gid' if orphan.is_group else '--uid'} {orphan.number} NAME"
        to = "chgrp" if orphan.is_group else "chown"
        cure = f"Give them to somebody ({to}), or make an account that has them: {make}"
        yield look("accounts", f"{orphans.words(orphan)} ({escape(orphan.paths[0])})", cure)
    if len(unsettled) > _MOST_ACCOUNTS:
        yield look("accounts", f"... and of {len(unsettled) - _MOST_ACCOUNTS} more", "See all: pacha status --json")
