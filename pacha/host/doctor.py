"""Check that all is well here and on the master: each check, its result, how to fix it. Changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pacha
from pacha.config.keys import STANDALONE
from pacha.errors import ExitCode, PachaError
from pacha.files.metadata import Kind
from pacha.host import before_push, due, orphans, runner, schedule, signing
from pacha.host.context import Context
from pacha.host.masters import connect
from pacha.host.watch import first_steps
from pacha.sealing import readable, recipients
from pacha.sealing.rules import SealRules
from pacha.store import database
from pacha.store.snapshot import Snapshot
from pacha.store.state import StateFolder
from pacha.system.presence import is_absent
from pacha.text import escape, local_minute, span
from pacha.wire.master import PUSH, REBUILD

if TYPE_CHECKING:
    from pacha.config.config import Config
    from pacha.store.host_state import HostState
    from pacha.wire.master import Examined

_PATIENCE = 20  #: seconds without output after which a command on the master is given up
_CLOCKS_DIFFER = 60.0  #: seconds from which on the times in the history mislead
_LITTLE_ROOM = 256 << 20  #: bytes
_MOST_ACCOUNTS = 5
_MOST_SHOWN = 10  #: concerns of the last push
_JOBS = (schedule.TIMER, schedule.CRON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check: ``result`` and ``cure`` are lines (str), ``code`` is DONE where all is well.

    ``master``: where it was made, "" for this machine; ``error``: the code of its PachaError, "" for none.
    """

    about: str
    result: str
    cure: str = ""
    code: ExitCode = ExitCode.DONE
    master: str = ""
    error: str = ""


def inspect(load: Callable[[], Config], state: StateFolder) -> Iterator[Check]:
    """Yield each check. ``load`` returns the configuration, or raises ConfigError. Raises nothing itself."""
    yield from versions()
    try:
        context = Context(load(), state)
        masters = context.config.masters()
        host = context.hostname()
    except PachaError as error:
        yield _failed("configuration" if error.exit_code == ExitCode.CONFIG else "state", error)
        return
    yield Check(about="configuration", result=f"{escape(str(context.config.path))} is valid")
    yield from (look("configuration", warning, "Remove that line.") for warning in context.config.warnings)
    yield Check(about="host", result=f"this machine pushes as '{host}'")
    yield from _own(context)
    for master in masters:
        yield from (replace(check, master=master) for check in _on(context, host, master))


def exit_code(checks: list[Check]) -> ExitCode:
    """The exit code for ``checks``. One unreachable master of several is a concern."""
    codes = {check.code for check in checks if check.code}
    masters = {check.master for check in checks if check.master}
    lost = {check.master for check in checks if check.code == ExitCode.UNREACHABLE}
    if ExitCode.CONFIG in codes:
        return ExitCode.CONFIG
    if lost and lost == masters:
        return ExitCode.UNREACHABLE
    return ExitCode.CONCERNS if codes else ExitCode.DONE


def look(about: str, result: str, cure: str) -> Check:
    """A check that found something to look at."""
    return Check(about=about, result=result, cure=cure, code=ExitCode.CONCERNS)


def _failed(about: str, error: PachaError) -> Check:
    hard = error.exit_code in (ExitCode.CONFIG, ExitCode.UNREACHABLE)
    code = error.exit_code if hard else ExitCode.CONCERNS
    return Check(about=about, result=error.in_a_line, cure=error.hint, code=code, error=error.code)


def versions() -> Iterator[Check]:
    """The check of Pacha, and of what it needs beside it."""
    found = [f"Pacha {pacha.__version__}", f"Python {platform.python_version()}"]
    for name in ("mercurial", "paramiko"):
        try:
            found.append(f"{name.capitalize()} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield look("versions", f"{name} is not installed beside Pacha", "Install Pacha again with pip or pipx.")
    yield Check(about="versions", result=", ".join(found))


def _own(context: Context) -> Iterator[Check]:
    """The checks of this machine."""
    try:
        last = database.read(context.state.database)
        watched = last.live
        holder = context.state.holder()
        state = due.as_known(context.state.read(), holder)
        if context.state.path.exists():
            context.state.check_owner()
    except PachaError as error:
        yield _failed("state", error)
        return
    if context.state.is_read_only:
        yield _failed("state", context.state.unwritable())
    paths = ", ".join(escape(entry.path) for entry in watched[:5]) + (" ..." if len(watched) > 5 else "")
    yield (
        Check(about="watched", result=paths)
        if watched
        else look("watched", "nothing yet", first_steps(context.hostname()))
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


def _space(context: Context) -> Iterator[Check]:
    for kind, folder in (("state folder", context.state.path), ("temporary folder", _temporary())):
        place = next(directory for directory in (folder, *folder.parents) if directory.exists())
        yield room(f"the {kind} {escape(folder)}", shutil.disk_usage(place).free, "Make room there.")


def _temporary() -> Path:
    return Path(os.path.abspath(os.environ.get("TMPDIR") or "/tmp"))  # noqa: S108


def room(where: str, free: int, cure: str) -> Check:
    """The check of the ``free`` bytes ``where``."""
    size = f"{free / (1 << 30):.1f} GiB" if free >= 1 << 30 else f"{free >> 20} MiB"
    text = f"{size} free in {where}"
    return Check(about="space", result=text) if free >= _LITTLE_ROOM else look("space", text, cure)


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
        return _failed("signing", error)
    return Check(about="signing", result=f"{escape(key.path)} signs; for pacha.signers elsewhere: {line}")


def _sealing(context: Context, last: Snapshot) -> Iterator[Check]:
    """The checks of what is sealed, and of secrets that are not."""
    config = context.config
    try:
        rules = SealRules(config.seal, [watched.path for watched in last.live])
        for_whom = recipients.read(config.seal_to) if config.seal else None
    except PachaError as error:
        yield _failed("sealing", error)
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
        return look("last push", "there was none yet", "Make one: pacha push")
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


def _on(context: Context, host: str, name: str) -> Iterator[Check]:
    """The checks of a master. None waits longer than ``_PATIENCE``."""
    patient = replace(context, config=replace(context.config, ssh_timeout=min(context.config.ssh_timeout, _PATIENCE)))
    try:
        master = connect(patient, name)
    except PachaError as error:
        yield _failed("login", error)
        return
    try:
        if name != STANDALONE:
            yield Check(
                about="login", result=f"{master.label}: the host key is known, our key is accepted without a prompt"
            )
        began = time.time()
        examined = master.examine(host)
        ahead, folder = examined.clock - (began + time.time()) / 2, escape(context.config.hosts_path)
        yield from _found(examined, ahead, host, folder, master.label)
    except PachaError as error:
        yield _failed("master", error)
    finally:
        master.close()


def _found(examined: Examined, ahead: float, host: str, folder: str, label: str) -> Iterator[Check]:
    led = escape(examined.hosts_path or b"")
    user = f" --user {label.partition('@')[0]}" if "@" in label else ""
    if examined.pacha is not None:
        yield Check(
            about="programs",
            result=f"Pacha {examined.pacha} answers there; this key may {' and '.join(sorted(examined.may))}",
        )
    elif examined.mercurial is not None:
        yield from _programs(examined.mercurial, examined.missing)
    if PUSH not in examined.may:
        yield look("key", "it may rebuild, not push", f"Let the host's own key in: pacha add-host {host} --key FILE")
    if REBUILD not in examined.may:
        yield Check(about="key", result="it may push, not rebuild: a rebuild needs another key")
    if examined.trouble:
        yield look("hosts folder", examined.trouble, f"On the master, run: pacha add-host {host}{user}")
    elif examined.trouble is not None:
        yield Check(about="hosts folder", result=f"'{host}' can be written to in {led or folder}")
    if led and led != folder:
        text = f"pacha.hosts.path is {folder}, and this key leads to {led}: another key would find nothing"
        yield look("hosts folder", text, f"Set pacha.hosts.path = {led}")
    seconds = f"{span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) > _CLOCKS_DIFFER:
        yield look("clock", f"the master's is {seconds}", "Set both by NTP: timedatectl set-ntp true")
    else:
        yield Check(
            about="clock",
            result=f"the master's agrees ({seconds})" if abs(ahead) >= 1 else "the master's agrees with ours",
        )
    if examined.free is not None:
        yield room("the hosts folder", examined.free, "Make room on the master.")


def _programs(mercurial: str, missing: Sequence[str]) -> Iterator[Check]:
    cure = "Install it on the master, or name its command in pacha.hg.command."
    yield (
        Check(about="programs", result=mercurial) if mercurial else look("programs", "there is no Mercurial (hg)", cure)
    )
    for name in missing:
        cure = "Install openssh-client there." if name == "scp" else "Install it there (coreutils or busybox)."
        yield look("programs", f"there is no {name}", cure)
    if not missing:
        yield Check(about="programs", result="scp and the other commands of a plain account are there")
