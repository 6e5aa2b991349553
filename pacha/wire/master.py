"""A master: where hosts' repositories are kept. One interface; the kind over SSH (the local one: ``wire.local``).

Over SSH to a plain account nothing is used but ``hg init``, ``hg -R P serve --stdio``, ``hg -R P recover``,
``scp -r -f``, ``sha256sum``, ``cat``, ``mkdir``, ``mv``, ``sync -f`` and ``date``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pacha.errors import PachaError, UnreachableError
from pacha.files.names import shown
from pacha.wire import hooks, scp

if TYPE_CHECKING:
    from pacha.wire.ssh import Connection, Result, Stream

CHANGELOG = "db/.hg/store/00changelog.i"
HEARTBEAT = "last-push"
#: What of ``.hg/store`` is ever written to disk here; never locks, journals, undo files or caches.
_STORE_FILES = (b"00changelog.", b"00manifest.")
_STORE_NAMES = frozenset([b"fncache", b"phaseroots", b"requires"])
_STORE_FOLDERS = (b"data", b"dh", b"meta")
_CAUSES = ("No space left", "uota exceeded", "Permission denied", "Read-only file system", "abort:")
_LIMITS = scp.Limits(total_bytes=1 << 40, files=2_000_000, depth=600)


class NoRepository(PachaError):
    """The master has no such repository (yet)."""


class RolledBack(PachaError):
    """A push that was cut off over there had left a transaction, which is rolled back now: push again."""


class NoHost(PachaError):
    """The master has nothing of that host."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a first look at the master says: its clock (seconds since the epoch) and how ``db`` stands.

    ``changelog`` is the sha256 (hex) of ``db``'s changelog, None when the host has no ``db`` there.
    """

    clock: float
    changelog: str | None


class Master(Protocol):
    """Where repositories are kept. Raises UnreachableError where the line or the account fails."""

    @property
    def label(self) -> str:
        """``user@host`` or the folder, for people and for remembering."""

    def probe(self, host: str) -> Probe:
        """Look at ``host``'s folder."""

    def make_host(self, host: str) -> None:
        """Make ``host``'s folder where it is missing."""

    def create(self, host: str, name: str) -> None:
        """Make the repository ``name`` of ``host``; no error when it is there."""

    def serve(self, host: str, name: str) -> AbstractContextManager[str | Stream]:
        """The repository, to push to and pull from. Raises NoRepository, RolledBack."""

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """Copy the repository's store into the empty folder ``inbox`` (a descriptor). Raises NoHost."""

    def fetch_hooks(self, host: str, inbox: int) -> list[hooks.Hook]:
        """Copy ``host``'s hooks into the empty folder ``inbox`` (a descriptor), in their two folders."""

    def beat(self, host: str, line: bytes, *, durable: bool) -> None:
        """Replace ``host``'s heartbeat by ``line``; with ``durable`` make what was sent durable first."""

    def close(self) -> None:
        """Hang up."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted of a folder that is copied: what it must be called, which files, how many at the most."""

    top: bytes
    accept: Callable[[bytes, bool], bool]
    limits: scp.Limits


class SshMaster:
    """A master behind an SSH connection."""

    def __init__(
        self, connection: Connection, hosts_path: bytes, hg_command: Sequence[str], init_config: Sequence[str]
    ) -> None:
        self._connection = connection
        self._hosts_path = hosts_path
        self._hg = tuple(hg_command)
        self._init_config = tuple(init_config)

    @property
    def label(self) -> str:
        """``user@host``."""
        return self._connection.endpoint.label

    def probe(self, host: str) -> Probe:
        """Look at ``host``'s folder: the clock and the changelog at once, each on a channel of its own."""
        with ThreadPoolExecutor(2) as pool:
            clock = pool.submit(self._connection.run, ["date", "-u", "+%s.%N"])
            digest = pool.submit(self._connection.run, ["sha256sum", self._path(host, CHANGELOG)])
            return Probe(_clock(clock.result()), self._digest(digest.result()))

    def make_host(self, host: str) -> None:
        """``mkdir -m 700`` where it is missing."""
        path = self._path(host)
        result = self._connection.run(["mkdir", "-m", "700", path])
        if result.status and b"exists" not in result.stderr:
            raise self._failed(f"{shown(path)} cannot be made on the master.", result, host)

    def create(self, host: str, name: str) -> None:
        """``hg init`` with an explicit format, so that no configuration over there chooses it."""
        path = self._path(host, name)
        result = self._connection.run([*self._hg, "init", *self._init_config, path])
        if result.status and b"already exists" not in result.stderr:
            raise self._failed(f"The repository {shown(path)} cannot be made on the master.", result, host)

    @contextmanager
    def serve(self, host: str, name: str) -> Iterator[Stream]:
        """``hg serve --stdio`` over a channel; what it complains of explains what went wrong here."""
        path = self._path(host, name)
        with self._connection.stream([*self._hg, "-R", path, "serve", "--stdio"]) as stream:
            try:
                yield stream
            except PachaError as error:
                result = stream.finish()
                if b"not found" in result.stderr and b"repository" in result.stderr:
                    raise NoRepository(f"The repository {shown(path)} is not on the master.") from None
                if b"abandoned transaction" in result.stderr:
                    raise self._recover(path, error.message, host) from None
                if result.status == 127:
                    raise self._failed("No repository can be reached.", result, host) from None
                if b"abort:" in result.stderr:
                    raise self._failed(error.message, result, host) from None
                raise

    def _recover(self, path: bytes, what: str, host: str) -> PachaError:
        """``hg recover``: roll back what a push that was cut off left, such as when the disk was full."""
        result = self._connection.run([*self._hg, "-R", path, "recover"])
        if result.status:
            return self._failed(what, result, host)
        return RolledBack(what, "a push that was cut off there has been rolled back", "Push again.")

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """``scp -r -f`` of the store, with acknowledgements sent ahead."""
        accept = _Wanted(b"store", is_store_file, _LIMITS)
        return self._copy(host, self._path(host, name, ".hg/store"), inbox, accept, on_file)

    def fetch_hooks(self, host: str, inbox: int) -> list[hooks.Hook]:
        """``scp -r -f`` of their folder; whose they are is not told that way."""
        received: list[scp.Received] = []
        accept = _Wanted(os.fsencode(host), hooks.is_hook_file, hooks.LIMITS)
        try:
            self._copy(host, hooks.folder_of(self._hosts_path, host), inbox, accept, received.append)
        except NoHost:
            return []
        return [hooks.hook_of(one.name, one.mode) for one in received]

    def _copy(
        self, host: str, path: bytes, inbox: int, wanted: _Wanted, on_file: Callable[[scp.Received], None]
    ) -> scp.Totals:
        with self._connection.stream(["scp", "-r", "-f", path]) as stream:
            try:
                totals = scp.receive(
                    stream, inbox, top=wanted.top, accept=wanted.accept, limits=wanted.limits, on_file=on_file
                )
            except scp.Refused:
                raise NoHost(f"There is no {shown(path)} on the master.") from None
            except UnreachableError:
                raise  # it need not be waited for once more
            except PachaError as error:
                what, result = f"{shown(path)} cannot be copied.", stream.finish()
                if result.status == 127:
                    raise self._failed(what, result, host) from None
                if isinstance(error, scp.RemoteError) and "Permission denied" in error.why:
                    raise UnreachableError(what, error.why, self._add_host(host)) from None
                raise
            result = stream.finish(end_input=False)
        if result.status:
            raise scp.RemoteError(f"{shown(path)} was not copied whole.", _said(result), "Run this again.")
        return totals

    def beat(self, host: str, line: bytes, *, durable: bool) -> None:
        """``sync -f``, then ``cat`` beside and ``mv`` over it."""
        path, folder = self._path(host, HEARTBEAT), self._path(host)
        beside = path + b".new"
        what = "The heartbeat cannot be left on the master."
        if durable:
            self._must(["sync", "-f", folder], what, host)
        result = self._connection.write(beside, line)
        if result.status:
            raise self._failed(what, result, host)
        self._must(["mv", "-f", beside, path], what, host)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _path(self, host: str, *below: str) -> bytes:
        return os.path.join(self._hosts_path, os.fsencode(host), *map(os.fsencode, below))

    def _must(self, argv: Sequence[bytes | str], what: str, host: str) -> None:
        result = self._connection.run(argv)
        if result.status:
            raise self._failed(what, result, host)

    def _digest(self, result: Result) -> str | None:
        if result.status == 0:
            return result.stdout.split()[0].lstrip(b"\\").decode("ascii", "replace")
        if b"No such file" in result.stderr:
            return None
        raise self._failed("The host's folder on the master cannot be read.", result, "")

    def _failed(self, what: str, result: Result, host: str) -> PachaError:
        said = _said(result)
        if result.status == 127:
            program = self._hg[0] if " hg" in what or "repository" in what.lower() else "such program"
            hint = "Install Mercurial there, or name its command in pacha.hg.command."
            return UnreachableError(f"The master has no {program}.", said, hint)
        if "Permission denied" in said or "No such file" in said:
            return UnreachableError(what, said, self._add_host(host))
        if "No space left" in said or "quota" in said.lower():
            return PachaError(what, said, "Make room on the master; the next push sends what is missing.")
        return PachaError(what, said, "Look at the host's folder on the master.")

    def _add_host(self, host: str) -> str:
        return f"On the master, run: pacha add-host {host} --user {self._connection.endpoint.user}"


def is_store_file(path: bytes, is_directory: bool) -> bool:
    """Whether ``path`` below a store (bytes, '/' between) is part of the history itself."""
    top, _, below = path.partition(b"/")
    if is_directory or below:
        return top in _STORE_FOLDERS
    return top in _STORE_NAMES or top.startswith(_STORE_FILES)


def _clock(result: Result) -> float:
    try:
        return float(result.stdout)
    except ValueError:
        raise UnreachableError(
            "The master does not answer as one.",
            f"asked for the time, it said: {shown((result.stderr or result.stdout)[:100])}",
            "Log in by hand with ssh and run 'date' to see what it says.",
        ) from None


def _said(result: Result) -> str:
    """The line on stderr that names a cause we know, else the last; Mercurial goes on after the cause."""
    lines = result.stderr.decode("utf-8", "replace").strip().splitlines()
    telling = [line for line in lines if any(cause in line for cause in _CAUSES)] or lines
    line = "".join(c if c.isprintable() else "?" for c in telling[-1][:300]) if telling else ""
    return line or f"it ended with exit status {result.status}"
