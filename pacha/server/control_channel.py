"""The master's end of the control channel: requests, and the conversations that some of them begin."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import pacha
from pacha.errors import PachaError
from pacha.server.command_filter import CommandDenied, is_repository
from pacha.system.memory_limit import in_use, limit_memory, serving
from pacha.wire import control, hook_files, message
from pacha.wire.conversation import PIECE, piece_of, pieces
from pacha.wire.master import PUSH, REBUILD

if TYPE_CHECKING:
    from pacha.server.serve import Service

_ROOM = "Make room on the master, or see to its disk; the next push sends what is missing."
_MOST_OPEN = 8  #: conversations, one within the other
_AT_ONCE = 2  #: times the memory of one conversation for all of them


class ControlChannel:
    """The channel of a ``service``, over its standard input and output."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._again = b""  #: a line that is read once more
        self._ceiling = 0  #: bytes that this process may use in conversations, 0 before the first
        self._open: list[int] = []  #: the conversations, the innermost last
        self._ended: set[int] = set()  #: those that the client has ended, and that are not the innermost

    def run(self) -> None:
        """Serve the channel until the client ends it."""
        self._write(self._greeting().line())
        while self.receive(0):
            pass

    def receive(self, number: int) -> bytes:
        """The next piece for the conversation ``number``, b"" at its end; answers the requests before that."""
        while number not in self._ended and (line := self._line()):
            try:
                request = message.decode(line)
                piece = piece_of(request)
            except ValueError:
                self._write(control.encode(control.error_of(CommandDenied("the request cannot be read"))))
                continue
            if piece is None:
                self._answer(request)
                continue
            of, size = piece
            if of in self._open and of != number and size:
                self._again = line  # the client is through with this one
                return b""
            data = self._service.stdin.read(size)
            if of == number:
                return data
            self._ended |= {of} & set(self._open)
        return b""

    def send(self, number: int, data: bytes) -> None:
        """Send ``data`` in the conversation ``number``."""
        self._write(pieces(number, data))

    def _line(self) -> bytes:
        line, self._again = self._again or self._service.stdin.readline(control.LINE_MAX), b""
        return line

    def _write(self, data: bytes) -> None:
        self._service.stdout.write(data)
        self._service.stdout.flush()

    def _greeting(self) -> control.Hello:
        try:
            probe = self._service.folder.probe(self._service.may)
        except PachaError:
            probe = None  # a request for it returns the error
        return control.Hello(
            protocol=control.PROTOCOL,
            version=pacha.__version__,
            hosts_path=self._service.folder.hosts_path,
            capabilities=frozenset(control.CAPABILITIES),
            may=self._service.may,
            probe=probe,
        )

    def _answer(self, request: dict[str, Any]) -> None:
        number = request.get("number")
        try:
            answer = self._done(request) if number is None else self._converse(request, number)
        except PachaError as error:
            hint = _ROOM if error.code == "disk-refused" else error.hint
            answer = control.error_of(error, hint)
        except ValueError:
            answer = control.error_of(CommandDenied("the request cannot be read"))
        self._write(control.encode(answer if number is None else {**answer, "number": number}))

    def _converse(self, request: dict[str, Any], number: object) -> dict[str, Any]:
        """Hold the conversation that a request begins."""
        if not isinstance(number, int) or number <= 0 or number in self._open or len(self._open) >= _MOST_OPEN:
            raise CommandDenied("there is no room for that conversation")
        begin = self._beginning(request)
        self._open.append(number)
        raw = _Pieces(self, number)
        try:
            with limit_memory(self._room()), io.BufferedReader(raw, PIECE) as source:
                with io.BufferedWriter(raw, PIECE) as target:
                    begin(source, target)
        finally:
            self._open.remove(number)
            self._ended.discard(number)
        return {}

    def _room(self) -> int:
        """The bytes of memory that are left for a conversation; what an ended one has not freed counts as used."""
        self._ceiling = self._ceiling or in_use() + _AT_ONCE * serving()
        return max(0, self._ceiling - in_use())

    def _beginning(self, request: dict[str, Any]) -> Callable[[BinaryIO, BinaryIO], None]:
        """What to do in the conversation that ``request`` begins, if the key may. Raises CommandDenied."""
        service = self._service
        match request:
            case {"do": control.SERVE, "name": str(name)} if is_repository(name):
                return lambda source, target: service.serve(name, (source, target))
            case {"do": control.FILL, "name": str(name), "requires": list(requires)} if is_repository(name):
                service.check(PUSH)
                return lambda source, target: service.fill(name, map(str, requires), source)
            case {"do": control.FETCH, "name": str(name)} if is_repository(name):
                service.check(REBUILD)
                return lambda source, target: service.fetch(name, target)
            case _:
                raise CommandDenied("the request is not known")

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request that begins no conversation."""
        folder, do = self._service.folder, request.get("do")
        if do == control.PROBE:
            return control.probe_fields(folder.probe(self._service.may))
        if do == control.HOOKS:
            self._service.check(REBUILD)
            return {"owners": self._owners()}
        if do == control.EXAMINE:
            writable, free = folder.examine()
            return {"writable": writable, "free": free}
        if do == control.LAST_PUSH:
            self._service.check(REBUILD)
            text = folder.last_push()
            return {"line": None if text is None else text.decode("latin-1")}
        self._service.check(PUSH)
        return self._change(request)

    def _owners(self) -> dict[str, str]:
        """The owner of each hook: root (here this account does not count as root), or what is wrong."""
        folder = self._service.folder
        try:
            entries = list(hook_files.entries(folder.hosts_path, folder.host, (0,)))
        except OSError as error:
            raise PachaError(
                "The hooks cannot be read.", error.strerror or "", "Look at .hooks there.", code="hooks-unreadable"
            ) from None
        return {os.fsdecode(path): owner for path, _, owner in entries}

    def _change(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request that needs the right to push."""
        service = self._service
        match request:
            case {"do": control.MAKE}:
                service.folder.make()
            case {"do": control.CREATE, "name": str(name)} if is_repository(name):
                service.create(name)
            case {"do": control.BEAT, "line": str(line), "durable": bool(durable)}:
                if durable:
                    service.folder.sync()
                service.folder.note(os.fsencode(line))
                service.beat()
                return control.probe_fields(service.folder.probe(service.may)) if request.get("look") else {}
            case _:
                raise CommandDenied("the request is not known")
        return {}


class _Pieces(io.RawIOBase):
    """The bytes of a conversation as a file."""

    def __init__(self, channel: ControlChannel, number: int) -> None:
        self._channel = channel
        self._number = number
        self._rest = b""
        self._is_over = False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and not self._is_over:
            self._rest = self._channel.receive(self._number)
            self._is_over = not self._rest
        data, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        if size := len(data):
            self._channel.send(self._number, bytes(data))
        return size
