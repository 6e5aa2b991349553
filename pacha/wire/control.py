"""The control channel: the messages between Pacha and Pacha on the master.

The client runs ``pacha serve HOST --hosts-path DIR --control`` (behind a forced command, too). The master at once sends
its greeting, one line of JSON. Then each line of the client is a request, ``{"do": NAME, ...}``, and each line of the
master the answer, ``{...}`` or ``{"error": {"message": ..., "why": ..., "hint": ..., "code": ..., "exit": N}}``.
Both sides ignore what they do not know, and the client asks only for what the greeting lists as capabilities. So an
older and a newer Pacha work together. Some requests begin a ``conversation`` in the same channel.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.text import masked
from pacha.wire.conversation import Conversation, piece_of
from pacha.wire.master import PUSH, REBUILD, NoRepository, Probe
from pacha.wire.message import OutOfRange, absurd, count, decode, digest, seconds

if TYPE_CHECKING:
    from pacha.wire.ssh import Stream

#: Increased when the meaning of a capability changes; a new request gets a new capability instead.
PROTOCOL = 1
PROBE, MAKE, CREATE, BEAT, HOOKS, REPOSITORY = "probe", "make", "create", "beat", "hooks", "repository"
EXAMINE = "examine"  #: for ``pacha doctor``
LAST_PUSH = "last-push"  #: the heartbeat as it lies there, for a rebuild
NEW = "new"  #: ``--repository .new-NAME-00000000`` makes one, which gets its name once it is filled
SERVE = "serve"  #: a conversation in Mercurial's protocol with a repository
FILL = "fill"  #: a new repository from its files (``file_stream``); it gets its name when all of them are there
FETCH = "fetch"  #: the store of a repository, in the records of scp
#: What this Pacha can do. REPOSITORY is not a request: a separate channel serves one (``--repository NAME``).
CAPABILITIES = (PROBE, MAKE, CREATE, BEAT, HOOKS, REPOSITORY, EXAMINE, NEW, LAST_PUSH, SERVE, FILL, FETCH)
CANNOT_FILL = "repository-not-filled"  #: the code of an error after FILL: push to it instead, as to an existing one
_CODE = re.compile(r"[a-z]+(-[a-z0-9]+){0,9}", re.ASCII)
_VERSION_MAX = 40  #: characters, as a heartbeat has them
MOST_TOLD = 400  #: repositories that a probe of a host's folder lists
LINE_MAX = 64 * 1024  #: bytes of a request, an answer or a greeting


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The greeting: what a master says about itself and the client's key. ``version`` is safe to print."""

    protocol: int
    version: str
    hosts_path: bytes
    capabilities: frozenset[str]
    may: frozenset[str]
    probe: Probe | None = None  #: sent along, which saves a request

    def line(self) -> bytes:
        """The greeting as a line."""
        fields = {} if self.probe is None else probe_fields(self.probe)
        return encode(
            {
                "pacha": self.protocol,
                "version": self.version,
                "hosts_path": os.fsdecode(self.hosts_path),
                "capabilities": sorted(self.capabilities),
                "may": sorted(self.may),
                **fields,
            }
        )

    @classmethod
    def read(cls, line: bytes) -> Hello | None:
        """Parse ``line``; None if it is not a greeting. Raises DamagedError for an absurd number."""
        try:
            message = decode(line)
            may = frozenset(map(str, message["may"])) & {PUSH, REBUILD}
            path = os.fsencode(str(message["hosts_path"]))
            if not path.startswith(b"/") or b"\0" in path:
                return None
            probe = probe_of(message, may) if "clock" in message else None
            capabilities = frozenset(map(str, message["capabilities"]))
            return cls(
                protocol=count(message["pacha"]),
                version=masked(str(message.get("version", "")), _VERSION_MAX),
                hosts_path=path,
                capabilities=capabilities,
                may=may,
                probe=probe,
            )
        except OutOfRange as error:
            raise absurd(error) from None
        except (ValueError, KeyError, TypeError):
            return None


def probe_of(message: Mapping[str, Any], may: frozenset[str]) -> Probe:
    """The probe in an answer. Raises ValueError, KeyError, TypeError."""
    contents = message.get("contents", {})
    digests = {name: _digest(value) for name, value in contents.items()} if isinstance(contents, dict) else {}
    purged = _digest(message.get("purged"))
    return Probe(seconds(message["clock"]), _digest(message["changelog"]), may, digests, purged)


def _digest(value: object) -> str | None:
    return None if value is None else digest(value)


def heartbeat_of(answer: Mapping[str, Any]) -> bytes | None:
    """The heartbeat in an answer; None if the host has left none. Raises DamagedError."""
    line = answer.get("line", "")
    try:
        return None if line is None else bytes(line.encode("latin-1"))
    except (AttributeError, ValueError):
        raise senseless("last-push") from None


def senseless(asked: str) -> DamagedError:
    """The error for an answer that does not fit what was ``asked``."""
    why = f"asked for {asked}"
    return DamagedError("The master's answer makes no sense.", why, "Run this again.", code="invalid-control-answer")


def probe_fields(probe: Probe) -> dict[str, Any]:
    """The fields of ``probe`` in an answer."""
    purged = {} if probe.purged is None else {"purged": probe.purged}
    return {"clock": probe.clock, "changelog": probe.changelog, "contents": dict(probe.contents), **purged}


def encode(message: Mapping[str, Any]) -> bytes:
    """``message`` as a line."""
    return json.dumps(message).encode("ascii") + b"\n"


class Control:
    """The client's end of the channel, for several threads."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._asking = threading.Lock()  # an answer without a number belongs to the request before it
        self._sending = threading.RLock()
        self._reading = threading.Condition()
        self._is_read = False  #: a thread reads, for all
        self._answer: dict[str, Any] | None = {}  #: None while it is waited for
        self._numbers = itertools.count(1)
        self._open: dict[int, Conversation] = {}
        self.is_closed = False

    def greeting(self) -> Hello | None:
        """The master's greeting, None if the answer is not Pacha's. Raises UnreachableError for a lost connection."""
        return Hello.read(self._stream.stdout.readline(LINE_MAX))

    def ask(self, request: str, **values: Any) -> dict[str, Any]:
        """Send a request and return the answer. Raises UnreachableError, and the PachaError in the answer."""
        with self._asking:
            self._answer = None
            self.send(encode({"do": request, **values}))
            self.wait(lambda: self._answer is not None)
            answer, self._answer = self._answer, {}
            return _checked(answer)

    @contextmanager
    def conversation(self, request: str, **values: Any) -> Iterator[Conversation]:
        """A conversation about ``request``; does not wait for its answer at the end.

        An error of the body becomes that of the master, if it ended the conversation with one.
        """
        number = next(self._numbers)
        talk = self._open[number] = Conversation(self, number)
        self.send(encode({"do": request, "number": number, **values}))
        try:
            yield talk
        except PachaError:
            if talk.answer is not None:
                _checked(talk.answer)
            raise
        finally:
            talk.close()
            if not self.is_closed:
                with suppress(UnreachableError):
                    talk.close_write()

    @contextmanager
    def transfer(self, request: str, **values: Any) -> Iterator[Conversation]:
        """A conversation that has the channel for itself; waits for its answer at the end.

        An error of the body closes the channel, unless the master had ended the conversation. Raises PachaError.
        """
        with self._sending, self.conversation(request, **values) as talk:
            try:
                yield talk
            except BaseException:
                if talk.answer is None:
                    self.close()
                raise
            talk.close_write()
            self.wait(lambda: talk.answer is not None)
            _checked(talk.answer)

    def send(self, data: bytes, *, asks: bool = True) -> None:
        """Send all of ``data``; with ``asks`` an answer is expected. Raises UnreachableError."""
        try:
            with self._sending:
                self._stream.stdin.write(data) if asks else self._stream.write(data)
        except BrokenPipeError:
            pass  # the other side has ended: reading tells

    def wait(self, is_ready: Callable[[], bool]) -> None:
        """Read what comes, for every conversation, until ``is_ready``. Raises UnreachableError, DamagedError."""
        with self._reading:
            while not is_ready():
                if self._is_read:
                    self._reading.wait()
                    continue
                self._is_read = True
                self._reading.release()
                try:
                    self._receive()
                finally:
                    self._reading.acquire()
                    self._is_read = False
                    self._reading.notify_all()

    def _receive(self) -> None:
        """Read one message, and give it to whoever waits for it.

        A channel that ends, or carries something else, is not damage: it says nothing about the history.
        """
        try:
            message = decode(self._stream.stdout.readline(LINE_MAX))
            if (piece := piece_of(message)) is not None:
                number, size = piece
                self._open[number].deliver(self._stream.stdout.read(size))
            elif "number" in message:
                self._open.pop(message["number"]).answer = message
            elif self._answer is None:
                self._answer = message
            else:
                raise senseless("nothing")
        except OutOfRange as error:
            raise absurd(error) from None
        except (KeyError, TypeError):
            raise senseless("nothing") from None
        except ValueError:
            raise UnreachableError(
                "The master gave no answer.", self._last_words(), "Run this again.", code="master-ended"
            ) from None

    @property
    def complaints(self) -> bytes:
        """What the master has written to stderr so far, at most the first 64 KiB."""
        return self._stream.complaints

    def _last_words(self) -> str:
        """The first line on stderr, of a master that ended."""
        lines = self._stream.finish().stderr.decode("utf-8", "replace").strip().splitlines()
        return _said(lines[0]) if lines else "its process ended"

    def close(self) -> None:
        """Close the channel."""
        self.is_closed = True
        self._stream.close_write()
        self._stream.close()


def _checked(answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """The ``answer``. Raises the PachaError in it."""
    if answer is None or "error" not in answer:
        return dict(answer or {})
    raise _told(answer["error"])


def error_of(error: PachaError, hint: str | None = None) -> dict[str, Any]:
    """The answer that reports ``error``, with its own hint (None) or another one."""
    hint = error.hint if hint is None else hint
    fields = {"message": error.message, "why": error.why, "hint": hint, "code": error.code}
    return {"error": {**fields, "exit": int(error.exit_code)}}


def _told(error: object) -> PachaError:
    parts = error if isinstance(error, dict) else {}
    texts = [_said(parts.get(part)) for part in ("message", "why", "hint")]
    kinds: dict[object, type[PachaError]] = {int(kind.exit_code): kind for kind in (UnreachableError, DamagedError)}
    kind = kinds.get(parts.get("exit"), PachaError) if isinstance(parts.get("exit"), int) else PachaError
    code = parts.get("code")
    kind = NoRepository if code == "repository-not-found" else kind
    if not (isinstance(code, str) and _CODE.fullmatch(code)):
        code = "master-refuses"  # an older master sends none
    return kind(texts[0] or "The master refuses, and does not say why.", *texts[1:], code=code)


def _said(text: object) -> str:
    return masked(text, 500) if isinstance(text, str) else ""
