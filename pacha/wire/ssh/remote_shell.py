"""Small commands, one after the other, in one sh(1) that stays on the server.

A channel for each of them would cost more than they do: a process of the account's shell there, with its start-up file.
What is sent is one compound command for each, which sh runs only when it has read all of it. The answer is the output,
then a line with a random word and the exit status, then what went to stderr, then that word again.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pacha.errors import UnreachableError
from pacha.wire.shell import command_line
from pacha.wire.ssh.channel import Result, Stream, alarm
from pacha.wire.ssh.commands import OUTPUT_MAX, Commands, endless, lost

_OPENING = (
    b"exec 3>&1; unset w e s; export LC_ALL=C LANGUAGE=C; "
    b'answer() { printf \'\\n%%s %%d\\n%%s\\n%%s\\n\' "$1" "$2" "$3" "$1"; }; printf \'%%s\\n\' %s\n'
)
#: Where printf(1) is a program, as for mksh, it takes no long argument. An answer that nobody reads ends sh: what was
#: sent behind a command that was given up must not be run late.
_QUESTION = (
    b"{ w=%s; e=$({ %s; } 2>&1 >&3 3>&- </dev/null); s=$?; "
    b"answer $w $s \"$e\" || answer $w $s 'it said more than printf takes' || exit; }\n"
)
_IDLE = 240.0  #: seconds; the timeout of a command comes first
#: Seconds for sh to say that it is there, as for a login: the account's start-up file runs before. Then each command
#: has a channel, and all of its own time.
_GREETING = 20.0
_PIECE = 64 * 1024
_STATUS_MAX = 255
_ARGUMENT_MAX = 64 * 1024  #: bytes; Linux lets a program have one of twice that
_STDERR_MAX = 1024 * 1024
_STDERR_KEPT = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Question:
    """A command as it was sent: its line, the word of its answer, when the answer before is read, and when its own."""

    line: bytes
    word: bytes
    before: threading.Event
    read: threading.Event


class NotNeeded(Exception):
    """A command was not run, as nobody needs its answer any more."""


class _Ended(Exception):
    """sh ended, or was given up, with this much of its output unread."""


class RemoteShell:
    """Runs commands over ``connection``: in one sh or, if there is none that can be used, each in a channel of its own.

    Several threads may use it: their commands are sent at once, and answered in turn.
    """

    def __init__(self, connection: Commands) -> None:
        self._connection = connection
        self._is_usable = True
        self._stream: Stream | None = None
        self._greeting = secrets.token_hex(16).encode()
        self._is_greeted = False
        self._asking = threading.Lock()
        self._last = threading.Event()
        self._last.set()
        self._unread = bytearray()

    def run(
        self,
        argv: Sequence[bytes | str],
        *,
        timeout: float = 120.0,
        limit: int = OUTPUT_MAX,
        unless: Callable[[], bool] = lambda: False,
    ) -> Result:
        """Run a command, which reads no input, to its end; as ``Commands.run``.

        Raises NotNeeded if there is no sh, and ``unless()`` says that nobody needs the answer any more.
        """
        answer = self._answer(command_line(argv), timeout, limit)
        if answer is None and unless():
            raise NotNeeded
        return answer or self._connection.run(argv, timeout=timeout, limit=limit)

    def write(self, path: bytes, data: bytes, *, timeout: float = 120.0) -> Result:
        """Replace the content of the remote file ``path`` by ``data``; as ``Commands.write``."""
        answer = None
        if len(data) <= _ARGUMENT_MAX and b"\0" not in data:
            line = b"%s | cat > %s" % (command_line(["printf", "%s", data]), command_line([path]))
            answer = self._answer(line, timeout, OUTPUT_MAX)
        return answer or self._connection.write(path, data, timeout=timeout)

    def close(self) -> None:
        """Use sh no more; a command after this has a channel of its own."""
        self._is_usable = False
        if self._stream is not None:
            self._stream.close()

    def _answer(self, line: bytes, timeout: float, limit: int) -> Result | None:
        """The result of the command ``line`` in sh; None if there is no sh."""
        if self._is_usable:
            with self._asking:
                question = self._asked(line)
            try:
                question.before.wait()
                return self._read(question, timeout, limit)
            except BaseException:
                self.close()  # the next would take the rest of this answer for its own
                raise
            finally:
                question.read.set()
        return None

    def _asked(self, line: bytes) -> _Question:
        word = secrets.token_hex(16).encode()
        question = _Question(line, word, self._last, threading.Event())
        text = _QUESTION % (word, line)
        if self._stream is None:
            self._stream = self._connection.stream(["sh"], idle=_IDLE)
            text = _OPENING % self._greeting + text
        self._last = question.read
        try:
            self._stream.stdin.write(text)
        except BrokenPipeError:
            pass  # it has ended: reading tells
        return question

    def _read(self, question: _Question, timeout: float, limit: int) -> Result | None:
        """The answer to ``question``; None where sh gave none to the first one. Raises UnreachableError."""
        stream = self._stream
        if stream is None or not self._is_usable:
            return None
        with alarm(timeout, lambda: stream.expire(timeout)):
            try:
                if not self._is_greeted and not self._has_greeted(stream):
                    return None
                output = self._until(stream, b"\n%s " % question.word, limit, question)
                status = _exit_status(self._until(stream, b"\n", len(str(_STATUS_MAX)), question))
                errors = self._until(stream, b"\n%s\n" % question.word, _STDERR_MAX, question)
                return Result(status, output, errors[:_STDERR_KEPT])
            except (_Ended, ValueError):
                raise lost(self._connection.endpoint, "the sh there that runs our commands has ended") from None

    def _has_greeted(self, stream: Stream) -> bool:
        """Whether sh answers in time, and with the greeting alone; closes it if not."""
        expected = self._greeting + b"\n"
        # A command in a channel of its own tells a lost connection.
        with alarm(_GREETING, stream.close), suppress(UnreachableError):
            while len(self._unread) < len(expected) and expected.startswith(self._unread):
                if not (piece := stream.read(_PIECE)):
                    break
                self._unread += piece
        self._is_greeted = self._unread.startswith(expected)
        del self._unread[: len(expected)]
        if not self._is_greeted:
            self.close()
        return self._is_greeted

    def _until(self, stream: Stream, end: bytes, limit: int, question: _Question) -> bytes:
        """What comes before ``end``, at most ``limit`` bytes. Raises _Ended, UnreachableError."""
        seen = 0
        while (at := self._unread.find(end, seen)) < 0 and len(self._unread) <= limit + len(end):
            seen = max(0, len(self._unread) - len(end))
            if not (piece := stream.read(_PIECE)):
                raise _Ended
            self._unread += piece
        if not 0 <= at <= limit:
            raise endless(self._connection.endpoint, question.line, limit)
        text = bytes(self._unread[:at])
        del self._unread[: at + len(end)]
        return text


def _exit_status(text: bytes) -> int:
    """The exit status in ``text``. Raises ValueError."""
    if not text.isdigit() or int(text) > _STATUS_MAX:
        raise ValueError
    return int(text)
