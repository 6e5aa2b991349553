"""Watch paths: which are kept, and under which repository names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from pacha.config.keys import STANDALONE
from pacha.errors import UsageError
from pacha.files.exclude import Rules
from pacha.files.names import is_pachas_own, repository_name
from pacha.files.scan import Watch
from pacha.host.context import Context
from pacha.store import database
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape


def watch(context: Context, path: bytes, *, single: bool = False) -> Watched:
    """Watch the directory ``path`` (with ``single``: the one file). Its parents are resolved first.

    Raises UsageError for what is not there, not of that kind, watched already, overlapping or Pacha's own.
    """
    resolved = _resolved(path)
    _check_kind(resolved, single)
    check_own(context, resolved)
    with context.state.locked(wait_seconds=10):
        snapshot = database.read(context.state.database)
        watched = _place(snapshot, resolved, single)
        others = [other for other in snapshot.watched if other.repository != watched.repository]
        context.state.update(pending=True)
        database.write(context.state.database, replace(snapshot, watched=(*others, watched)))
    return watched


def unwatch(context: Context, path: bytes) -> Watched:
    """Stop watching ``path``; what was kept of it stays in the history. Raises UsageError when it is not watched."""
    with context.state.locked(wait_seconds=10):
        snapshot = database.read(context.state.database)
        wanted = {os.path.normpath(os.path.join(os.getcwdb(), path)), _resolved(path, must_exist=False)}
        for one in snapshot.live:
            if one.path in wanted:
                changed = [replace(w, retired=True) if w == one else w for w in snapshot.watched]
                context.state.update(pending=True)
                database.write(context.state.database, snapshot.with_watched(changed))
                return one
    raise UsageError(f"{escape(path)} is not watched.", hint="'pacha config-values' lists what is.", code="not-watched")


def watched(context: Context) -> tuple[Watched, ...]:
    """What is watched now."""
    return database.read(context.state.database).live


def _resolved(path: bytes, *, must_exist: bool = True) -> bytes:
    """``path`` absolute, with its parents resolved; the last component may be a link itself."""
    whole = b"/" + os.path.join(os.getcwdb(), path).strip(b"/")
    if must_exist and not os.path.lexists(whole):
        raise UsageError(
            f"{escape(whole)} does not exist.", hint="Name a directory or a file that does.", code="path-missing"
        )
    parent, name = os.path.split(whole)
    if name in (b"", b".", b".."):  # the kernel's "..": of what a link points to, not of the link
        return os.path.realpath(whole)
    return os.path.join(os.path.realpath(parent), name)


def _check_kind(path: bytes, single: bool) -> None:
    if os.path.islink(path):
        raise UsageError(
            f"{escape(path)} is a symlink.",
            "what it points to would not be kept",
            f"Watch {escape(os.path.realpath(path))} itself, or the directory that holds the link.",
            code="watch-symlink",
        )
    if single and not os.path.isfile(path):
        raise UsageError(
            f"{escape(path)} is not a regular file.",
            hint=f"For a directory: pacha watch {escape(path)}",
            code="watch-not-a-file",
        )
    if not single and not os.path.isdir(path):
        raise UsageError(
            f"{escape(path)} is not a directory.",
            hint=f"For a file: pacha watch-single {escape(path)}",
            code="watch-not-a-directory",
        )


def check_own(context: Context, path: bytes) -> None:
    """Refuse to keep Pacha's own folders, the master's among them where it is local. Raises UsageError."""
    own = {"Pacha's own state folder": os.path.realpath(os.fsencode(context.state.path))}
    if STANDALONE in context.config.hosts:
        own["the master's folder"] = os.path.realpath(context.config.hosts_path)
    for what, folder in own.items():
        if Watched(path=folder, single=False, repository="").holds(path) or Watched(
            path=path, single=False, repository=""
        ).holds(folder):
            raise UsageError(
                f"{escape(path)} holds or lies in {what} {escape(folder)}.",
                "each push would change what it keeps",
                "Watch the directories beside it.",
                code="path-holds-own-folder",
            )
    if any(is_pachas_own(part) for part in path.split(b"/")):
        raise UsageError(
            f"{escape(path)} is a name that Pacha keeps for itself.", "", "Watch another path.", code="path-reserved"
        )


def _place(snapshot: Snapshot, path: bytes, single: bool) -> Watched:
    """The row of ``path``: the one it had before it was retired, or a new one."""
    new = Watched(path=path, single=single, repository="")
    for one in snapshot.live:
        if one.path == path:
            raise UsageError(
                f"{escape(path)} is watched already.",
                "",
                "Nothing is to be done: 'pacha config-values' lists what is.",
                code="watched-already",
            )
        if one.holds(path) or new.holds(one.path):
            raise UsageError(
                f"{escape(path)} overlaps with {escape(one.path)}, which is watched already.",
                "a file would be kept twice",
                f"If it is meant to take its place: pacha unwatch {escape(one.path)}",
                code="watch-overlap",
            )
    for one in snapshot.watched:
        if one.path == path and one.single == single:
            return replace(one, retired=False)
    return replace(new, repository=repository_name(path, [one.repository for one in snapshot.watched]))


def effective_rules(context: Context, watched: Iterable[Watched]) -> tuple[Watched, ...]:
    """``watched`` with the configuration's exclude rules, where it gives any; else with their own.

    After a rebuild a ten-line configuration must not bring in what had been left out.
    """
    given = {key for key, _ in context.config.given}
    changes: dict[str, object] = {}
    if "pacha.exclude" in given:
        changes["exclude"] = context.config.exclude
    if "pacha.one.filesystem" in given:
        changes["one_filesystem"] = context.config.one_filesystem
    return tuple(one if one.retired else replace(one, **changes) for one in watched)  # type: ignore[arg-type]


def scan_targets(watched: Iterable[Watched]) -> list[Watch]:
    """``watched`` as the scan wants them."""
    return [
        Watch(one.path, one.single, Rules.of(one.exclude), one.one_filesystem)
        for one in sorted(watched, key=lambda w: w.path)
        if not one.retired
    ]
