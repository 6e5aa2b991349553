"""``pacha serve``: the forced command behind a host's key on the master.

It serves one host's folder and knows no configuration. sshd passes the client's request in SSH_ORIGINAL_COMMAND
(sshd(8), "AUTHORIZED_KEYS FILE FORMAT"), and ``command_filter`` decides whether it is allowed. Some clients use the
control channel (``wire.control``), others treat this as a plain account.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO

from pacha.errors import PachaError, UsageError
from pacha.host.context import check_host
from pacha.library import UnknownLibraryError
from pacha.server.command_filter import (
    AllowedCommand,
    CommandDenied,
    Request,
    final_name,
    of_repository,
    read,
)
from pacha.server.control_channel import ControlChannel
from pacha.server.host_directory import NOTE_MAX, HostDirectory
from pacha.store import hg, purges
from pacha.store.revision import HERE, INIT_OPTIONS, KNOWN_REQUIREMENTS, PLAIN
from pacha.system.memory_limit import limit_memory, serving
from pacha.wire import file_stream, hook_files, scp_sender
from pacha.wire.master import PUSH, REBUILD, STORE, is_store_file, temporary_name

_COPIES = 6  #: of a revision that Mercurial holds at once while it takes it


def direct(talk: bool, repository: str | None) -> Request | None:
    """The request in the arguments, where there is no forced command. Raises UsageError."""
    if repository is None:
        return Request(AllowedCommand.CONTROL) if talk else None
    if (request := of_repository(repository)) is None:
        raise UsageError(
            "That is not the name of a repository.", "", "See: pacha serve --help", code="invalid-repository-name"
        )
    return request


@dataclass(frozen=True, slots=True)
class Service:
    """A host's folder, and what the client's key ``may`` do with it (``PUSH``, ``REBUILD``)."""

    folder: HostDirectory
    may: frozenset[str]
    stdin: BinaryIO
    stdout: BinaryIO

    def perform(self, request: Request) -> int:
        """Carry out ``request``; returns the exit status. Raises PachaError."""
        self.check(request.verb.right)
        actions: dict[AllowedCommand, Callable[[str], int | None]] = {
            AllowedCommand.CONTROL: lambda name: ControlChannel(self).run(),
            AllowedCommand.DATE: lambda name: self._say(f"{time.time():.9f}\n"),
            AllowedCommand.DIGEST: lambda name: max(map(self._digest, (name, *request.more))),
            AllowedCommand.REPOSITORY: self.serve,
            AllowedCommand.NEW: self._new,
            AllowedCommand.FETCH: self._fetch,
            AllowedCommand.HOOKS: lambda name: _send(hook_files.folder_of(self.folder.hosts_path, self.folder.host)),
            AllowedCommand.MAKE: lambda name: self.folder.make(),
            AllowedCommand.CREATE: self.create,
            AllowedCommand.RECOVER: self._recover,
            AllowedCommand.SYNC: lambda name: self.folder.sync(),
            AllowedCommand.NOTE: lambda name: self.folder.note(self.stdin.read(NOTE_MAX + 1)),
            AllowedCommand.BEAT: lambda name: self.beat(),
            AllowedCommand.LAST_PUSH: lambda name: self._cat(self.folder.last_push()),
            AllowedCommand.PURGED: lambda name: self._cat(self.folder.purged()),
            AllowedCommand.PLACE: self._place,
        }
        return actions[request.verb](request.name) or 0

    def check(self, right: str) -> None:
        """Raise CommandDenied if the key does not have ``right``."""
        if right and right not in self.may:
            raise CommandDenied(f"and may not {right}")

    def _say(self, text: str) -> None:
        self.stdout.write(os.fsencode(text))
        self.stdout.flush()

    def _digest(self, relative: str) -> int:
        """Answer as sha256sum(1) does."""
        digest = self.folder.digest(relative)
        if digest is None:
            print(f"sha256sum: {relative}: No such file or directory", file=sys.stderr)  # noqa: T201
            return 1
        self._say(f"{digest}  {relative}\n")
        return 0

    def _cat(self, text: bytes | None) -> int:
        """As cat(1) does."""
        if text is None:
            print("cat: No such file or directory", file=sys.stderr)  # noqa: T201
            return 1
        self.stdout.write(text)
        self.stdout.flush()
        return 0

    def serve(self, name: str, pipes: tuple[BinaryIO, BinaryIO] | None = None) -> None:
        """Serve the repository ``name`` until its client ends; None: over standard input and output."""
        path = self.folder.repository(name, KNOWN_REQUIREMENTS)
        hg.enable_lazy_imports()
        with limit_memory(memory := serving()):
            hg.serve(
                path, read=REBUILD in self.may, write=PUSH in self.may, most=memory // _COPIES,
                accepts_purged=self._accepts_purged(name), pipes=pipes,
            )  # fmt: skip

    def _accepts_purged(self, repository: str) -> Callable[[bytes, bytes], bool]:
        """Whether a revision may come in without its content: only if root purged it here. No client adds to that."""
        text = self.folder.purged()
        erased = purges.Erased.by(purges.decode(text) if text else ())
        return lambda name, node: erased.accepts(repository, name, node.hex())

    def _new(self, temporary: str) -> None:
        """Serve a temporary repository, and give it its name if something was pushed to it."""
        name = final_name(temporary) or ""
        if self.folder.room_for(name) is None:
            self.serve(name)  # it exists already
            return
        with self.folder.claim_temporary(temporary, name) as place:
            if place is not None:
                self._fill(place, temporary, name)
                return
        self.create(name)  # another push makes it at the moment: the first one to finish gives it its name
        self.serve(name)

    def _fill(self, place: str, temporary: str, name: str) -> None:
        hg.enable_lazy_imports()
        hg.Repository.open(place, create=True)
        with limit_memory(memory := serving()):
            whole = hg.serve(place, read=REBUILD in self.may, write=True, new=True, most=memory // _COPIES)
        if whole and hg.Repository.open(place).heads():
            self.folder.place(os.path.join(temporary, name), name)

    def fill(self, name: str, requirements: Iterable[str], pipe: BinaryIO) -> None:
        """Make the new repository ``name``, of a client's ``requirements``, from the files that come over ``pipe``.

        Raises PachaError, with the code ``repository-not-filled`` where it has to be pushed to instead.
        """
        try:
            complete = hg.complete
        except UnknownLibraryError:  # a Mercurial without its C parts, which can be pushed to
            raise _cannot_fill(name) from None
        if frozenset(map(os.fsencode, requirements)) != PLAIN - {HERE} or self.folder.room_for(name) is None:
            raise _cannot_fill(name)
        temporary = temporary_name(name)
        with limit_memory(serving()), self.folder.claim_temporary(temporary, name) as place:
            if place is None:  # another push makes it at the moment
                raise _cannot_fill(name)
            with self.folder.explained(name):
                complete(place, file_stream.unpack(pipe, os.path.join(os.fsencode(place), os.fsencode(STORE))))
            self.folder.sync()
            self.folder.place(os.path.join(temporary, name), name)

    def fetch(self, name: str, pipe: BinaryIO) -> None:
        """Send the store of the repository ``name``."""
        with self.folder.store(name, KNOWN_REQUIREMENTS) as store:
            scp_sender.send(pipe, store, os.path.basename(os.fsencode(STORE)), is_store_file)

    def _recover(self, name: str) -> None:
        path = self.folder.repository(name, KNOWN_REQUIREMENTS)
        hg.enable_lazy_imports()
        hg.recover(path)

    def create(self, name: str) -> None:
        """Make the repository ``name`` if it is missing."""
        place = self.folder.room_for(name)
        if place is not None:
            hg.enable_lazy_imports()
            hg.Repository.open(place, create=True)

    def _place(self, temporary: str) -> None:
        self.folder.place(temporary, final_name(temporary) or "")

    def _fetch(self, name: str) -> None:
        _send(os.fsencode(os.path.join(self.folder.repository(name, KNOWN_REQUIREMENTS), STORE)))

    def beat(self) -> None:
        """Put the heartbeat in its place, and tell root's programs of a new snapshot."""
        if not hook_files.runs_on_push(self.folder.hosts_path):
            self.folder.beat()
            return
        from pacha.server import on_push  # it reads snapshots; most masters have no such programs

        before = on_push.tip_of(self.folder)
        self.folder.beat()
        if (tip := on_push.tip_of(self.folder)) not in ("", before):
            on_push.begin(self.folder, before, tip)


def _cannot_fill(name: str) -> PachaError:
    message = f"The repository {name} cannot be made of its files."
    why = "it is there, another push makes it, or its format is another"
    return PachaError(message, why, "Push again.", code="repository-not-filled")


def _send(folder: bytes) -> None:
    """Become scp(1), which sends the folder: a repository's store, or root's hooks."""
    os.execvp("scp", ["scp", "-r", "-f", os.fsdecode(folder)])  # noqa: S606


def serve(host: str, hosts_path: bytes, may: frozenset[str], command: str | None, direct: Request | None) -> int:
    """Serve ``host``'s folder below ``hosts_path`` (absolute) on standard input and output; returns the exit status.

    ``command`` is SSH_ORIGINAL_COMMAND, which decides if it is set. ``direct`` is the request in the arguments, for use
    without a forced command. Raises CommandDenied, UsageError, PachaError.
    """
    check_host(host)
    if not hosts_path.startswith(b"/"):
        raise UsageError("--hosts-path is not absolute.", "", "Begin it with a /.", code="hosts-path-relative")
    os.umask(0o077)
    if command is not None:
        request = read(command, hosts_path, host, INIT_OPTIONS)
    elif direct is not None:
        request = direct
    else:
        raise CommandDenied("it gives no shell")
    folder = HostDirectory(hosts_path, host)
    return Service(folder, may, sys.stdin.buffer, sys.stdout.buffer).perform(request)
