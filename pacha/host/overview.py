"""The state of this machine at a glance, and what to do next. Imports neither Mercurial nor paramiko."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.config.keys import STANDALONE
from pacha.errors import ExitCode, PachaError
from pacha.host import due, owed, runner, schedule
from pacha.host.context import Context
from pacha.store import database
from pacha.store.snapshot import Snapshot
from pacha.text import enumerated, escape


@dataclass(frozen=True, slots=True)
class Overview:
    """Lines of (label, state), safe to print, and the next commands, each with its purpose.

    ``succeeded``: the time of the last push in seconds since the epoch; 0: never.
    """

    lines: tuple[tuple[str, str], ...]
    succeeded: float
    steps: tuple[tuple[str, str], ...]


_FIRST = (("pacha init", "write a configuration, make a key"), ("pacha demo", "see the whole story in a minute"))


def none() -> Overview:
    """The overview of a machine without a configuration."""
    return Overview((("configured", "no"),), 0.0, _FIRST)


def of_root() -> Overview:
    """The overview for a user without a configuration on a machine where root has one."""
    steps = (("sudo pacha", "see how this machine stands"), ("pacha init", "keep files of your own"))
    return Overview((("configured", "for root, not for this user"),), 0.0, steps)


def faulty(error: PachaError) -> Overview:
    """The overview of a machine whose configuration or state cannot be read."""
    label = "configured" if error.exit_code == ExitCode.CONFIG else "trouble"
    return Overview(((label, error.in_a_line),), 0.0, (("pacha doctor", "see what is wrong"),))


def overview(context: Context) -> Overview:
    """The overview of a machine with a configuration. Raises PachaError."""
    holder, snapshot = context.state.holder(), database.read(context.state.database, whole=False)
    state = due.as_known(context.state.read(), holder)
    masters, folder = context.config.hosts, escape(context.config.hosts_path)
    if not masters:
        lines = (_file(context), ("master", f"this machine, in {folder}; or pacha.host is not set"))
        return Overview(lines, 0.0, (("pacha add-host HOST", "let a host in"), ("pacha hosts", "see how all stand")))
    paths = [escape(entry.path) for entry in snapshot.live]
    where = f"this machine, in {folder}" if masters == (STANDALONE,) else ", ".join(masters)
    rows = [
        _file(context),
        ("master", where),
        ("host", context.hostname()),
        ("watched", enumerated(paths, 5) or "nothing yet"),
    ]
    if holder:
        rows.append(("at work now", holder.why))
    if state.failure:
        rows.append(("last push failed", escape(state.failure)))
    if idle := runner.idle():
        rows.append(("schedule", f"nothing runs it: {idle.words}"))
    rebuild_rows, steps = _left_by_rebuilds(context, snapshot)
    if not steps and not paths and not (state.tip or state.succeeded):
        steps = _first_steps(context.hostname())
    steps = steps or _next(bool(paths), state.succeeded, bool(state.failure))
    return Overview((*rows, *rebuild_rows), state.succeeded, steps)


_Rows = tuple[tuple[str, str], ...]


def _left_by_rebuilds(context: Context, snapshot: Snapshot) -> tuple[_Rows, _Rows]:
    """What the last rebuild did not finish, and the commands for it; (), () for nothing."""
    interrupted = owed.interrupted_rebuilds(context.state, snapshot)
    host = (interrupted and interrupted[-1].host) or context.hostname()
    resume = (f"pacha rebuild {host}", "do the rest of that rebuild")
    if interrupted:
        return (("rebuild", "interrupted"),), (resume, ("pacha undo", "take it back instead"))
    if missing := len(owed.paths(context.state)):
        text = f"{missing} path{'s'[: missing != 1]} that the last rebuild could not restore"
        return (("owed", text),), (("pacha status", "see which"), resume)
    return (), ()


def _file(context: Context) -> tuple[str, str]:
    return "configured", escape(str(context.config.path))


def _first_steps(host: str) -> tuple[tuple[str, str], ...]:
    """For a machine that remembers nothing: a new one, one that lost its state folder, one that replaces a lost one."""
    return (
        (f"pacha restore-db {host}", "if it pushed before, but lost its state folder"),
        ("pacha watch /etc", "if it is new: name what matters"),
        (f"pacha rebuild {host}", f"if '{host}' was lost: put it back on this machine"),
    )


def _next(watches: bool, succeeded: float, failed: bool) -> tuple[tuple[str, str], ...]:
    if not watches:
        return (("pacha watch /etc", "name what matters"), ("pacha rebuild HOST", "put a lost host back"))
    if failed or not succeeded:
        return (("pacha doctor", "see whether all is well"), ("pacha push", "send what changed"))
    if not schedule.installed():
        return (("pacha schedule install", "push by itself"), ("pacha status", "see how this host stands"))
    return (("pacha status", "see how this host stands"), ("pacha log", "list the snapshots"))
