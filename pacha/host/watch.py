"""Watch paths: which ones, and the names of their repositories."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from pacha.config.keys import STANDALONE
from pacha.errors import UsageError
from pacha.files.exclude import Rules
from pacha.files.mount_points import MountPoints
from pacha.files.names import is_pachas_own, repository_name
from pacha.files.paths import is_within
from pacha.files.watch import Watch
from pacha.host.context import Context
from pacha.sealing import readable
from pacha.sealing.rules import SealRules
from pacha.store import database
from pacha.store.snapshot import Snapshot, Watched
from pacha.text import escape


def watch(context: Context, path: bytes, *, single: bool = False) -> Watched:
    """Watch the directory ``path``, or with ``single`` that file. Its parents are resolved first.

    Raises UsageError for a path that is missing, of the wrong kind, watched already, overlapping or Pacha's own.
    """
    resolved = _resolved(path)
    _check_kind(resolved, single)
    _check_kept(resolved)
    check_own(context, resolved)
    with context.state.locked(wait_seconds=10):
        snapshot = database.read(context.state.database)
        watched = _place(snapshot, resolved, single)
        context.state.update(pending=True)
        database.write(context.state.database, _with(snapshot, watched))
    return watched


def in_the_clear(context: Context, watched: Iterable[bytes]) -> str:
    """The secrets below ``watched`` that a push would keep in the clear, and how to seal them; "" for none."""
    roots = list(watched)
    rules = SealRules(context.config.seal, roots)
    files = (path for root in roots for path in readable.below(root))
    found = readable.find(path for path in files if not rules.matches(path))
    if not found:
        return ""
    return f"{found.words} will be readable on the master. To seal: {found.setting} (share/doc/pacha/sealing.rst)"


def merge(snapshot: Snapshot, entries: Iterable[Watched]) -> tuple[Snapshot, list[tuple[Watched, UsageError]]]:
    """``snapshot`` with what is live in ``entries`` watched as well; and what overlaps, with the reason."""
    overlapping = []
    for entry in (entry for entry in entries if not entry.retired):
        try:
            snapshot = _with(snapshot, replace(_place(snapshot, entry.path, entry.single), exclude=entry.exclude))
        except UsageError as error:
            if error.code != "watched-already":
                overlapping.append((entry, error))
    return snapshot, overlapping


def _with(snapshot: Snapshot, watched: Watched) -> Snapshot:
    rest = [entry for entry in snapshot.watched if entry.repository != watched.repository]
    return replace(snapshot, watched=(*rest, watched))


def unwatch(context: Context, path: bytes) -> Watched:
    """Stop watching ``path``; its history stays. Raises UsageError if it is not watched."""
    with context.state.locked(wait_seconds=10):
        snapshot = database.read(context.state.database)
        candidates = {os.path.normpath(os.path.join(os.getcwdb(), path)), _resolved(path, must_exist=False)}
        for entry in snapshot.live:
            if entry.path in candidates:
                changed = [replace(w, retired=True) if w == entry else w for w in snapshot.watched]
                context.state.update(pending=True)
                database.write(context.state.database, snapshot.with_watched(changed))
                return entry
    above = next((entry for entry in snapshot.live for candidate in candidates if entry.holds(candidate)), None)
    hint = f"To leave it out of {escape(above.path)}: pacha.exclude in the configuration." if above else ""
    listed = "'pacha config-values' lists what is."
    raise UsageError(f"{escape(path)} is not watched.", hint=hint or listed, code="not-watched")


def first_steps(host: str) -> str:
    """What to do if nothing is watched: a sentence. A host that lost its state folder must not begin a new history."""
    return (
        f"If '{host}' pushed before, and the state folder was lost: pacha restore-db {host}; "
        "if it is new, name what matters: pacha watch /etc; if it takes the place of a lost host: pacha rebuild HOST"
    )


def watched(context: Context) -> tuple[Watched, ...]:
    """The watched paths."""
    return database.read(context.state.database, whole=False).live


def _resolved(path: bytes, *, must_exist: bool = True) -> bytes:
    """``path`` absolute, with its parents resolved; the last component may be a link itself."""
    whole = b"/" + os.path.join(os.getcwdb(), path).strip(b"/")
    if must_exist and not os.path.lexists(whole):
        raise UsageError(
            f"{escape(whole)} does not exist.", hint="Name a directory or a file that does.", code="path-missing"
        )
    parent, name = os.path.split(whole)
    if name in (b"", b".", b".."):  # the kernel resolves ".." at the link's target
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


def _check_kept(path: bytes) -> None:
    kind = MountPoints.of_machine(()).pseudo_filesystems.get(os.lstat(path).st_dev)
    if kind is not None:
        raise UsageError(
            f"{escape(path)} lies in a file system of the kernel itself.",
            f"nothing of {escape(kind)} is ever kept",
            "Watch a path on a disk.",
            code="watch-kernel-files",
        )


def check_own(context: Context, path: bytes) -> None:
    """Raise UsageError for a path that holds, or is in, Pacha's own folders or a local master."""
    own = {"Pacha's own state folder": os.path.realpath(os.fsencode(context.state.path))}
    if STANDALONE in context.config.hosts:
        own["the master's folder"] = os.path.realpath(context.config.hosts_path)
    for description, folder in own.items():
        if is_within(path, folder) or is_within(folder, path):
            raise UsageError(
                f"{escape(path)} holds or lies in {description} {escape(folder)}.",
                "each push would change what it keeps",
                "Watch the directories beside it.",
                code="path-holds-own-folder",
            )
    if any(is_pachas_own(part) for part in path.split(b"/")):
        raise UsageError(
            f"{escape(path)} is a name that Pacha keeps for itself.", "", "Watch another path.", code="path-reserved"
        )


def _place(snapshot: Snapshot, path: bytes, single: bool) -> Watched:
    """The row of ``path``: its retired one, or a new one. Raises UsageError for an overlap."""
    new = Watched(path=path, single=single, repository="")
    for entry in snapshot.live:
        if entry.path == path:
            raise UsageError(
                f"{escape(path)} is watched already.",
                "",
                "Nothing is to be done: 'pacha config-values' lists what is.",
                code="watched-already",
            )
        if entry.holds(path) or new.holds(entry.path):
            raise UsageError(
                f"{escape(path)} overlaps with {escape(entry.path)}, which is watched already.",
                "a file would be kept twice",
                f"If it is meant to take its place: pacha unwatch {escape(entry.path)}",
                code="watch-overlap",
            )
    for entry in snapshot.watched:
        if entry.path == path and entry.single == single:
            return replace(entry, retired=False)
    return replace(new, repository=repository_name(path, [entry.repository for entry in snapshot.watched]))


def effective_rules(context: Context, watched: Iterable[Watched]) -> tuple[Watched, ...]:
    """``watched`` with the configuration's exclude rules where it has some, else with the recorded ones.

    So a ten-line configuration after a rebuild does not include what was excluded before. Raises ConfigError.
    """
    configured = {key for key, _ in context.config.given}
    changes: dict[str, object] = {}
    if "pacha.exclude" in configured:
        Rules.of_setting("pacha.exclude", context.config.exclude)
        changes["exclude"] = context.config.exclude
    if "pacha.one.filesystem" in configured:
        changes["one_filesystem"] = context.config.one_filesystem
    return tuple(entry if entry.retired else replace(entry, **changes) for entry in watched)  # type: ignore[arg-type]


def scan_targets(watched: Iterable[Watched]) -> list[Watch]:
    """``watched`` in the form that the scan needs."""
    return [
        Watch(entry.path, entry.single, Rules.of(entry.exclude), entry.one_filesystem)
        for entry in sorted(watched, key=lambda w: w.path)
        if not entry.retired
    ]
