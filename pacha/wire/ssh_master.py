"""A master over SSH, by the control channel if Pacha is on it, else as a plain account."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pacha.errors import PachaError
from pacha.system import background
from pacha.wire import control, file_stream, hook_files, scp
from pacha.wire.master import (
    REBUILD,
    CannotStream,
    Examined,
    NoHost,
    NotTold,
    Probe,
    TemporaryRepository,
    check_may_read,
    is_store_file,
    temporary_name,
)
from pacha.wire.plain_account import OPENING, PlainAccount
from pacha.wire.plain_reader import STORE_LIMITS
from pacha.wire.remote_errors import locked, waits_for_lock
from pacha.wire.remote_pacha import RemotePacha, free_bytes, of_those, probe_in

if TYPE_CHECKING:
    from pacha.wire.control import Control
    from pacha.wire.conversation import Conversation
    from pacha.wire.ssh import Commands, Stream

#: The codes of errors that mean: the master has nothing of the host, or no such repository.
_NOTHING_THERE = frozenset(["repository-not-found", "host-folder-missing", "host-retired"])


class SshMaster:
    """A master behind an SSH connection.

    ``greets``: whether Pacha answered there the last time. If not, the plain account is asked at the same time, so that
    a master without Pacha costs no additional round trip. ``on_change`` is called at the end if that has changed.
    """

    def __init__(
        self, connection: Commands, plain: PlainAccount, greets: bool, on_change: Callable[[bool], None]
    ) -> None:
        self._greets = greets
        self._on_change = on_change
        self._connection = connection
        self._plain = plain
        self._pacha = RemotePacha(connection, plain)
        self._fetching = threading.Lock()

    @property
    def label(self) -> str:
        """``user@host``."""
        return self._connection.endpoint.label

    @property
    def hosts_path(self) -> bytes:
        """The configured folder, until Pacha there names the one that its key leads to."""
        return self._plain.hosts_path

    def local_path(self, name: str) -> str | None:
        """None: the repository is not on this machine."""
        return None

    def probe(self, host: str, names: Sequence[str] = ()) -> Probe:
        """The state of ``host``'s folder; the first time asked for while the greeting is on its way."""
        if self._greets or self._pacha.was_asked(host):
            return self._pacha.probe(host, names)
        self._connection.open_ahead(2)  # for the greeting, and for the small commands
        plain = background.start(self._plain.probe, host, names, lambda: self._pacha.greeting(host) is not None)
        return self._pacha.probe(host, names) if self._pacha.greeting(host) else plain.result()

    def make_host(self, host: str) -> None:
        """Make ``host``'s folder if it is missing."""
        if channel := self._pacha.can(host, control.MAKE):
            channel.ask(control.MAKE)
        else:
            self._plain.make_host(host)

    def create(self, host: str, name: str) -> None:
        """Make the repository ``name`` if it is missing."""
        if channel := self._pacha.can(host, control.CREATE):
            channel.ask(control.CREATE, name=name)
        else:
            self._plain.create(host, name)

    @contextmanager
    def new(self, host: str, name: str) -> Iterator[Stream | TemporaryRepository]:
        """A temporary repository. Raises CannotStream where Pacha on the master is too old for that."""
        if self._pacha.greeting(host) is None:
            with self._plain.new(host, name) as temporary:
                yield temporary
            return
        if self._pacha.can(host, control.FILL):
            if name in self._pacha.contents:
                raise CannotStream
            yield TemporaryRepository(partial(self._fill, host, name), named_there=True)
            return
        if not self._pacha.can(host, control.NEW):
            raise CannotStream
        with self._plain.repository(
            self._pacha.repository_command(host, temporary_name(name)), host, name, lambda: None
        ) as stream:
            yield stream
            self._plain.check_ended(stream, host, name)

    def _fill(self, host: str, name: str, repository: str, files: Iterable[bytes]) -> None:
        """Send the ``files`` of our ``repository``. Raises what they raise, CannotStream where it has to be pushed."""
        requires = file_stream.requirements_of(repository)
        channel = self._pacha.can(host, control.FILL)
        if channel is None:
            raise CannotStream
        failure: Exception | None = None
        try:
            with channel.transfer(control.FILL, name=name, requires=requires) as talk:
                failure = _send(talk, file_stream.pack(repository, files))
        except PachaError as error:
            if failure is None and error.code != control.CANNOT_FILL:
                raise
            failure = failure or CannotStream()
        if failure is not None:
            raise failure

    def serve(self, host: str, name: str) -> AbstractContextManager[Stream | Conversation]:
        """The repository, over the control channel or one of its own. Raises NoRepository, RolledBack."""
        if channel := self._pacha.can(host, control.SERVE):
            return _conversation(channel, name)
        if not self._pacha.can(host, control.REPOSITORY):
            return self._plain.serve(host, name)
        # Pacha there rolls back an interrupted push when it starts.
        return self._plain.repository(self._pacha.repository_command(host, name), host, name, lambda: None)

    def nests(self, host: str) -> bool:
        """Whether they share the control channel."""
        return self._pacha.can(host, control.SERVE) is not None

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """Copy the repository's store into the empty folder ``inbox`` (a descriptor). Raises NoHost.

        The first time it starts while the greeting is on its way: Pacha on the master accepts scp, too.
        """
        if not (self._greets or self._pacha.was_asked(host)):
            path = self._plain.hosts_path
            self._connection.open_ahead(2)
            greeting_future = background.start(self._pacha.greeting, host)
            try:
                totals = self._plain.fetch(host, name, inbox, on_file)
                greeting_future.exception()  # wait for the greeting
                return totals
            except PachaError:
                greeting = greeting_future.result()
                if greeting is None or (REBUILD in greeting.may and greeting.hosts_path == path):
                    raise
        greeting = self._pacha.greeting(host)
        if greeting is not None:
            check_may_read(host, greeting.may)
        with self._fetching:
            if channel := self._pacha.can(host, control.FETCH):
                return self._fetch(channel, name, inbox, on_file)
        return self._plain.fetch(host, name, inbox, on_file)  # with the greeting's hosts_path

    def _fetch(self, channel: Control, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """Copy the store over the ``channel``."""
        try:
            with channel.transfer(control.FETCH, name=name) as talk:
                return scp.receive(
                    _Unanswered(talk), inbox, top=b"store", accept=is_store_file, limits=STORE_LIMITS, on_file=on_file
                )
        except PachaError as error:
            if error.code not in _NOTHING_THERE:
                raise
            raise NoHost(error.message, error.why, error.hint, code="nothing-on-master") from None

    def fetch_hooks(self, host: str, inbox: int) -> list[hook_files.Hook]:
        """Copy ``host``'s hooks into the empty folder ``inbox`` (a descriptor), with their owners where known."""
        channel = self._pacha.can(host, control.HOOKS)
        hooks = self._plain.fetch_hooks(host, inbox)
        if channel is None or not hooks:
            return hooks
        owners = channel.ask(control.HOOKS).get("owners")
        owner_by_path = owners if isinstance(owners, dict) else {}
        told = [owner_by_path.get(f"{hook.folder}/{os.fsdecode(hook.name)}") for hook in hooks]
        known = [
            owner[:200] if isinstance(owner, str) and owner.isprintable() else "not known to Pacha there"
            for owner in told
        ]
        return [replace(hook, owner=owner) for hook, owner in zip(hooks, known, strict=True)]

    def draft_heartbeat(self, host: str, line: bytes) -> None:
        """Start early with the heartbeat where it takes more than one round trip."""
        if self._pacha.greeting(host) is None:
            self._plain.draft_heartbeat(host, line)

    def leave_heartbeat(
        self, host: str, line: bytes, *, durable: bool, look: Sequence[str] | None = None
    ) -> Probe | None:
        """Replace ``host``'s heartbeat by ``line``; with ``durable`` make what was sent durable first."""
        channel, greeting = self._pacha.can(host, control.BEAT), self._pacha.greeting(host)
        if channel is None or greeting is None:
            return self._plain.leave_heartbeat(host, line, durable=durable, look=look)
        answer = channel.ask(control.BEAT, line=line.decode("ascii"), durable=durable, look=look is not None)
        if look is None:
            return None
        if "clock" not in answer:  # an older master sends no probe along
            return self._pacha.probe(host, look)
        return of_those(probe_in(answer, greeting), look)

    def last_push(self, host: str) -> bytes | None:
        """The heartbeat, where the master can be asked for it."""
        if self._pacha.greeting(host) is None:
            return self._plain.last_push(host)
        channel = self._pacha.can(host, control.LAST_PUSH)
        if channel is None:
            raise NotTold
        return control.heartbeat_of(channel.ask(control.LAST_PUSH))

    def purged(self, host: str) -> bytes | None:
        """The record of what was purged; a Pacha there that does not tell its digest has none."""
        self._pacha.greeting(host)
        return self._plain.purged(host)

    def examine(self, host: str) -> Examined:
        """Ask Pacha on the master if it answers, within its capabilities; else the plain account."""
        greeting = self._pacha.greeting(host)
        if greeting is None:
            return self._plain.examine(host)
        clock = self.probe(host).clock
        examined = Examined(clock=clock, may=greeting.may, pacha=greeting.version, hosts_path=greeting.hosts_path)
        channel = self._pacha.can(host, control.EXAMINE)
        if channel is None:
            return examined
        answer = channel.ask(control.EXAMINE)
        trouble = "" if answer.get("writable") else "the host's folder cannot be written to"
        return replace(examined, trouble=trouble, free=free_bytes(answer.get("free")))

    def close(self) -> None:
        """Hang up."""
        self._pacha.close()
        self._connection.close()
        if self._pacha.answers not in (None, self._greets):
            self._on_change(not self._greets)


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """The records of scp in a conversation, whose sender waits for no answer."""

    talk: Conversation

    def read(self, n: int, /) -> bytes:
        return self.talk.receive(n)

    def write(self, data: bytes, /) -> int:
        return len(data)


@contextmanager
def _conversation(channel: Control, name: str) -> Iterator[Conversation]:
    """Mercurial's protocol with the repository ``name``, over the ``channel``. Raises NoRepository, PachaError."""
    before = len(channel.complaints)
    with channel.conversation(control.SERVE, name=name) as talk:
        try:
            talk.stdin.say_ahead(OPENING)
            yield talk
        except PachaError as error:
            if waits_for_lock(channel.complaints[before:]):
                raise locked(error.message, channel.complaints) from None
            raise


def _send(talk: Conversation, pieces: Iterable[bytes]) -> Exception | None:
    """Send ``pieces``; returns what ended them early: the master, which misses the end, removes what came.

    Raises PachaError.
    """
    try:
        for piece in pieces:
            talk.write(piece)
    except PachaError:
        raise
    except Exception as error:
        return error
    return None
