"""A master keeps the repositories of hosts. This is the interface; ``ssh_master`` and ``local_master`` implement it."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.wire import hook_files, scp
    from pacha.wire.conversation import Conversation
    from pacha.wire.ssh import Stream

#: What an SSH key may do on a master: send snapshots, fetch them.
PUSH, REBUILD = "push", "rebuild"

HG = ".hg"  #: Mercurial's folder in a repository; the paths that follow lie below a repository
STORE = f"{HG}/store"
HG_REQUIRES = f"{HG}/requires"
CHANGELOG_OF_ANY = f"{STORE}/00changelog.i"
CHANGELOG = f"db/{CHANGELOG_OF_ANY}"
HEARTBEAT = "last-push"
HEARTBEAT_MAX = 4096  #: bytes
PURGED = ".purged"  #: the record of what was purged from a host's history (``store.purges``)
PURGED_MAX = 32 << 20  #: bytes
REQUIRES = f"{STORE}/requires"  #: written last when a repository is made
#: Before a command: its messages are in English, and Mercurial's are those for programs (hg help environment).
IN_ENGLISH = ("env", "LC_ALL=C", "LANGUAGE=C", "HGPLAIN=1")
#: The only files of ``.hg/store`` that are written here: no locks, journals, undo files or caches.
_STORE_FILES = (b"00changelog.", b"00manifest.")
_STORE_NAMES = frozenset([b"fncache", b"phaseroots", b"requires"])
_MOST_INDEX = 256 << 20  #: bytes
_STORE_FOLDERS = (b"data", b"dh", b"meta")
_PHASES = b"phaseroots"  #: they are not sent: on a master every revision is public (hg help phases)


class NoRepository(PachaError):
    """The master has no such repository (yet)."""


class RolledBack(PachaError):
    """An interrupted push had left a transaction on the master, which is rolled back now: push again."""


class CannotStream(Exception):
    """The master cannot fill a temporary repository: ``create`` it under its name, if it is missing."""


@dataclass(slots=True)
class TemporaryRepository:
    """A repository on the master that has neither its name nor a history yet.

    ``named_there``: the master gives it its name as soon as everything is sent.
    """

    send: Callable[[str, Iterable[bytes]], None]
    filled: bool = False
    named_there: bool = False
    _filling: threading.Lock = field(default_factory=threading.Lock)
    _has_ended: bool = False

    def fill(self, repository: str, names: Iterable[bytes] | None = None) -> None:
        """Send all of our repository at this path.

        ``names``: its files below the store, if they are still being written: each is sent as soon as it is named, and
        an error of ``names`` leaves the repository without its name. Raises CannotStream if the master cannot take
        them.
        """
        names = store_files(repository) if names is None else names
        with self._filling:
            if self._has_ended:
                raise CannotStream
            self.send(repository, filter(_is_sent, self._until_end(names)))
            self.filled = True

    def end(self) -> None:
        """Take no more files, and wait for the one on its way: the folder may be removed after this."""
        self._has_ended = True
        with self._filling:
            pass

    def _until_end(self, names: Iterable[bytes]) -> Iterator[bytes]:
        for name in names:
            if self._has_ended:
                raise CannotStream
            yield name


class NoHost(PachaError):
    """The master has nothing of that host."""


class NotTold(Exception):
    """The Pacha on the master is too old to say that."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The state of a host's folder on the master, and the master's clock (seconds since the epoch).

    ``changelog`` is the sha256 (hex) of ``db``'s changelog, None where the host has no ``db``; ``may`` is what our key
    may do there, as far as the master says (``PUSH``, ``REBUILD``). ``contents`` has the changelog's digest of each
    other repository that was asked about; it is empty where the master cannot say. ``purged``: the digest of the record
    of what was purged, None where there is none.
    """

    clock: float
    changelog: str | None
    may: frozenset[str] = frozenset([PUSH, REBUILD])
    contents: Mapping[str, str | None] = field(default_factory=dict)
    purged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What a master says about itself to ``pacha doctor``; a field is None where it does not say.

    ``pacha``: the version of the Pacha behind our key, "" for none; ``hosts_path``: the folder to which it leads.
    ``mercurial``: the line of ``hg version``, "" for none; ``missing``: programs of a plain account that are not there.
    ``trouble``: why nothing can be written for the host, "" if it can. ``free``: bytes on the file system.
    """

    clock: float
    may: frozenset[str]
    pacha: str | None = None
    mercurial: str | None = None
    missing: tuple[str, ...] = ()
    trouble: str | None = None
    free: int | None = None
    hosts_path: bytes | None = None


def check_may_push(host: str, probe: Probe) -> None:
    """Raise UnreachableError when the master says that our key may not push."""
    if PUSH not in probe.may:
        raise UnreachableError(
            f"This key may not push what is kept of {host}.",
            "the master lets it rebuild only",
            f"Let the host's own key in there: pacha add-host {host} --key FILE",
            code="key-cannot-push",
        )


def check_may_read(host: str, may: frozenset[str]) -> None:
    """Raise UnreachableError when ``may``, the rights of our key, do not include reading."""
    if REBUILD not in may:
        raise UnreachableError(
            f"What is kept of {host} cannot be fetched with this key.",
            "the master lets it push only",
            f"Get a key for it there: pacha add-host {host} --key FILE --rebuild-only",
            code="key-cannot-rebuild",
        )


def temporary_name(name: str, whose: str = "00000000") -> str:
    """The name of the repository ``name`` while it is filled for the first time (see ``server.command_filter``).

    ``whose`` are eight hexadecimal digits of this machine, so that no other one fills the same folder.
    """
    return f".new-{name}-{whose}"


class Master(Protocol):
    """Where repositories are kept. Methods raise UnreachableError where the connection or the account fails."""

    @property
    def label(self) -> str:
        """``user@host`` or the folder, for people and for remembering."""

    @property
    def hosts_path(self) -> bytes:
        """Where the hosts' folders are on the master: as it says itself, else as configured."""

    def local_path(self, name: str) -> str | None:
        """The path at which the repository ``name`` can be read in place, as nobody changes it; None: fetch it."""

    def probe(self, host: str, names: Sequence[str] = ()) -> Probe:
        """The state of ``host``'s folder: of ``db``, and of the repositories ``names``."""

    def make_host(self, host: str) -> None:
        """Make ``host``'s folder if it is missing."""

    def create(self, host: str, name: str) -> None:
        """Make the repository ``name`` of ``host`` if it is missing."""

    def new(self, host: str, name: str) -> AbstractContextManager[Stream | TemporaryRepository]:
        """A temporary repository, to push to or to fill. It gets its name if the body ends without an error.

        Raises CannotStream where the master cannot do that.
        """

    def serve(self, host: str, name: str) -> AbstractContextManager[str | Stream | Conversation]:
        """The repository, to push to and pull from. Raises NoRepository, RolledBack."""

    def nests(self, host: str) -> bool:
        """Whether conversations share one channel, so that the one that begins last has to end first."""

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """Copy the repository's store into the empty folder ``inbox`` (a descriptor). Raises NoHost."""

    def fetch_hooks(self, host: str, inbox: int) -> list[hook_files.Hook]:
        """Copy ``host``'s hooks into the empty folder ``inbox`` (a descriptor), in their two folders."""

    def draft_heartbeat(self, host: str, line: bytes) -> None:
        """Start early with what ``leave_heartbeat`` needs, for example write ``line`` to a temporary file."""

    def leave_heartbeat(
        self, host: str, line: bytes, *, durable: bool, look: Sequence[str] | None = None
    ) -> Probe | None:
        """Replace ``host``'s heartbeat by ``line``; with ``durable`` make what was sent durable first.

        Unless ``look`` is None, returns a ``probe`` of the repositories ``look`` afterwards.
        """

    def last_push(self, host: str) -> bytes | None:
        """The heartbeat that ``host`` left, unparsed; None if there is none. Raises PachaError, NotTold."""

    def purged(self, host: str) -> bytes | None:
        """The unparsed record of what was purged from ``host``'s history; None if there is none. Raises PachaError."""

    def examine(self, host: str) -> Examined:
        """Ask whether everything that ``host`` needs is there. Changes nothing."""

    def close(self) -> None:
        """Close the connection."""


def is_store_file(path: bytes, is_directory: bool) -> bool:
    """Whether ``path`` below a store (bytes, '/' between) is part of the history itself."""
    top, _, below = path.partition(b"/")
    if is_directory or below:
        return top in _STORE_FOLDERS
    return top in _STORE_NAMES or top.startswith(_STORE_FILES)


def store_files(repository: str) -> Iterator[bytes]:
    """The names of the files of our ``repository``'s history, below its store. Raises CannotStream.

    The changelog comes last: a stream that ends too early has none, and so does not look complete.
    """
    store, last = os.fsencode(os.path.join(repository, STORE)), []
    for folder, _, names in os.walk(store, onerror=_refuse):
        for path in (os.path.join(folder, name)[len(store) + 1 :] for name in names):
            if path.startswith(b"00changelog."):
                last.append(path)
            elif _is_sent(path):
                yield path
    yield from sorted(last)


def _is_sent(name: bytes) -> bool:
    return name != _PHASES and is_store_file(name, False)


def _refuse(error: OSError) -> None:
    raise CannotStream from error


def check_index(path: bytes, size: int) -> None:
    """Raise DamagedError for an index of a store (``path`` below it) that is larger than a history can need.

    Mercurial reads it as a whole, and needs more memory for a revision than the 64 bytes in the file.
    """
    if path.endswith(b".i") and size > _MOST_INDEX:
        raise DamagedError(
            f"{escape(path)} is too large for a list of revisions.",
            f"{size >> 20} MiB, and {_MOST_INDEX >> 20} MiB would list {_MOST_INDEX // 64:,} of them",
            "Nothing was changed. Look at the host's folder on the master.",
            subject=escape(path),
            code="index-too-large",
        )


def digest_of(path: bytes) -> str | None:
    """The sha256 (hex) of a file on this machine, None if it is missing."""
    try:
        with open(path, "rb") as stream:
            return digest_of_stream(stream)
    except FileNotFoundError:
        return None


def digest_of_stream(stream: BinaryIO) -> str:
    """The sha256 (hex) of the rest of an open file, read in pieces as it may be larger than the memory."""
    digest = hashlib.sha256()
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
