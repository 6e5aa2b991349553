"""Serve a repository over standard input and output, with a restricted part of Mercurial's protocol.

Clients can read and add history, and nothing else: no push of keys (bookmarks, phases), no obsolescence markers, no
bundles that the server would fetch or keep. The forbidden commands are removed from this process.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from functools import cache
from typing import Any, BinaryIO

from mercurial import bundle2, error, hg, phases, streamclone, wireprotoserver, wireprototypes, wireprotov1server
from mercurial.utils import procutil

from pacha.library import UnknownLibraryError, require, require_use
from pacha.store.hg.bounds import LIBRARY, bound_conversation
from pacha.store.hg.incoming import AcceptsPurged, check_incoming
from pacha.store.hg.runtime import configure, frequent_gc, quiet_ui, translate_errors
from pacha.store.revision import MOST

#: Commands (hg help internals.wireprotocol) with which any client finds the missing revisions.
_TALKING = (
    b"hello", b"capabilities", b"protocaps", b"batch", b"between", b"heads", b"known", b"branchmap", b"listkeys",
)  # fmt: skip
#: Announced but removed: a client that does not see it asks for no phases, and could not push.
_ANNOUNCED = frozenset([b"pushkey"])
_READING = (b"getbundle",)
_WRITING = (b"unbundle",)
#: Parts of a bundle (hg help internals.bundle2) that a push may have.
_PARTS = (
    b"changegroup", b"check:heads", b"check:updated-heads", b"check:phases", b"check:bookmarks", b"phase-heads",
    b"replycaps", b"listkeys",
)  # fmt: skip
_PARAMETERS = frozenset([b"version", b"nbchanges", b"targetphase"])
_STREAM = b"stream2"  #: the part that fills a new repository with another one's files
#: The names of those files in a stream; Mercurial encodes a name below data/ (mercurial/store.py).
_LOG = re.compile(rb"(00changelog|00manifest|data/.+)\.[id]", re.DOTALL)
#: A client that may not read can guess what a revision contains, and learn from a refusal: each guess takes so long.
_GUESS_SECONDS = 3.0
_LONGEST_LINE = 1 << 20  #: bytes
_LARGEST_READ = 64 << 20  #: bytes of an argument, or of a piece of a bundle: clients send some KiB at once
_SETTINGS = (
    ("server.bundle1", "no"),  # such a bundle has no parts that could be checked
    ("server.pullbundle", "no"),
    ("experimental.evolution", ""),
    ("web.allow-push", ""),
)


def serve(
    path: str,
    *,
    read: bool,
    write: bool,
    new: bool = False,
    most: int = MOST,
    accepts_purged: AcceptsPurged = lambda name, node: False,
    pipes: tuple[BinaryIO, BinaryIO] | None = None,
) -> bool:
    """Serve the repository at ``path`` until the client ends; ``read`` and ``write`` say what the client may do.

    ``pipes``: the client's input and output; None: standard input and output. While one conversation waits for its
    client, this process may hold another one, with the same rights.

    A ``new`` repository may also be filled from a stream; returns False where a stream was incomplete. An interrupted
    push is rolled back first, unless a push is at work. Revisions above ``most`` bytes are refused, and revisions that
    do not fit their hash, except tombstones that ``accepts_purged`` knows. Raises DamagedError, PachaError.
    """
    ui = quiet_ui()
    configure(ui, [*_SETTINGS, ("server.uncompressed", "yes" if new else "no")])
    ui.fout, ui.ferr = procutil.stderr if pipes else procutil.stdout, procutil.stderr
    _restrict_protocol(_TALKING + _READING * read + _WRITING * write, (*_PARTS, *[_STREAM] * new))
    incomplete = _track_streams() if new else []
    message = f"The repository {os.path.basename(path)} cannot be served."
    incoming = check_incoming(0.0 if read else _GUESS_SECONDS, accepts_purged)
    with translate_errors(message), frequent_gc(), bound_conversation(most), incoming:
        repo = hg.repository(ui, os.fsencode(path))
        if write:
            _roll_back(repo.unfiltered())
        run = require(LIBRARY, wireprotoserver, "_runsshserver", "ui", "repo", "fin", "fout", "ev")
        with contextlib.nullcontext(pipes) if pipes else ui.protectedfinout() as (stdin, stdout):
            run(ui, repo, _Input(stdin), stdout, threading.Event())
    return not incomplete


def recover(path: str) -> None:
    """Roll back an interrupted push. Raises DamagedError, and PachaError where a push is at work."""
    with translate_errors(f"The repository {os.path.basename(path)} cannot be repaired."):
        repo = hg.repository(quiet_ui(), os.fsencode(path)).unfiltered()
        if repo.svfs.exists(b"journal"):
            repo.recover()


def _roll_back(repo: Any) -> None:
    if repo.svfs.exists(b"journal"):
        with contextlib.suppress(error.LockHeld), repo.lock(wait=False):
            repo.recover()


@cache  # once for all repositories of this process
def _restrict_protocol(commands: tuple[bytes, ...], parts: tuple[bytes, ...]) -> None:
    """Remove all other commands, and all other parts of a bundle, from this process.

    Raises UnknownLibraryError where that would have no effect in this Mercurial.
    """
    _check_restrictable(parts)
    allowed = wireprototypes.commanddict()
    allowed.update({name: entry for name, entry in wireprotov1server.commands.items() if name in commands})
    removed = wireprotov1server.commands.keys() - allowed.keys() - _ANNOUNCED
    wireprotov1server.commands = allowed
    wireprotov1server.wireprotocaps = [name for name in wireprotov1server.wireprotocaps if name not in removed]
    for name in set(bundle2.parthandlermapping) - set(parts):
        del bundle2.parthandlermapping[name]
    streamclone._makemap = lambda repo: {b"s": _History(repo.svfs), b"c": _Nowhere()}
    bundle2.parthandlermapping[b"changegroup"] = _public(bundle2.parthandlermapping[b"changegroup"])


def _check_restrictable(parts: tuple[bytes, ...]) -> None:
    """Raise UnknownLibraryError unless Mercurial uses the names that are replaced here."""
    for owner, name, kind in (
        (wireprotov1server, "commands", wireprototypes.commanddict),
        (wireprotov1server, "wireprotocaps", list),
        (bundle2, "parthandlermapping", dict),
    ):
        if not isinstance(require(LIBRARY, owner, name), kind):
            raise UnknownLibraryError(LIBRARY, f"{owner.__name__}.{name} is something else")
    require(LIBRARY, streamclone, "_makemap", "repo")
    for owner, function, name in (
        (wireprotov1server, "dispatch", "commands"),
        (wireprotoserver, "_runsshserver", "commands"),
        (wireprotov1server, "_capabilities", "wireprotocaps"),
        (bundle2, "_gethandler", "parthandlermapping"),
        (streamclone, "consumev2", "_makemap"),
    ):
        require_use(LIBRARY, require(LIBRARY, owner, function), name)
    for part in (b"changegroup", *[_STREAM] * (_STREAM in parts)):
        require(LIBRARY, bundle2.parthandlermapping.get(part), "params")


class _Input:
    """The client's input, with limits: Mercurial trusts its lengths, and a negative one means everything."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe

    def readline(self) -> bytes:
        """A line."""
        line = bytes(self._pipe.readline(_LONGEST_LINE))
        if len(line) >= _LONGEST_LINE:
            raise error.Abort(b"a line without an end")
        return line

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes, or fewer at the end."""
        if not 0 <= size <= _LARGEST_READ:
            raise error.Abort(b"a length that cannot be: %d" % size)
        return bytes(self._pipe.read(size))


class _History:
    """The destination of a stream's store files: it accepts only files of the history.

    A journal, for example, would make Mercurial write files when it is rolled back (mercurial/transaction.py).
    """

    def __init__(self, vfs: Any) -> None:
        self._vfs = vfs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vfs, name)

    def register_file(self, name: bytes) -> None:
        """Check the name of an incoming file."""
        if not _LOG.fullmatch(name):
            raise error.Abort(b"only files of a history are accepted")
        self._vfs.register_file(name)


class _Nowhere:
    """The destination of a stream's caches: they are dropped, because Mercurial would trust them."""

    def register_file(self, name: bytes) -> None:
        """Accept any name."""

    def prepare_streamed_file(self, name: bytes, known: object) -> tuple[bytes, None]:
        """The path to write to, and no mode."""
        return os.fsencode(os.devnull), None

    def backgroundclosing(self, ui: Any) -> contextlib.AbstractContextManager[None]:
        """Do nothing."""
        return contextlib.nullcontext()


def _track_streams() -> list[object]:
    """Return a list that holds each incomplete stream, whose files no transaction rolls back."""
    handler, incomplete = bundle2.parthandlermapping[_STREAM], list[object]()

    def handle(operation: Any, part: Any) -> Any:
        incomplete.append(part)
        result = handler(operation, part)
        incomplete.pop()
        return result

    handle.params = handler.params  # type: ignore[attr-defined]
    bundle2.parthandlermapping[_STREAM] = handle
    return incomplete


def _public(handler: Any) -> Any:
    """A handler of changegroups that refuses secret revisions, which the next push would not see.

    It refuses parameters that change the format of the repository, too.
    """

    def handle(operation: Any, part: Any) -> Any:
        if not part.params.keys() <= _PARAMETERS:
            raise error.Abort(b"a changegroup of another kind")
        if int(part.params.get(b"targetphase", phases.public)) not in (phases.public, phases.draft):
            raise error.Abort(b"secret revisions are refused")
        return handler(operation, part)

    handle.params = handler.params  # type: ignore[attr-defined]
    return handle
