"""The control channel: the messages between Pacha and Pacha on the master.

The client runs ``pacha serve HOST --hosts-path DIR --control`` (behind a forced command, too). The master says
one line of JSON at once, its greeting; then each line of the client is a request, ``{"do": NAME, ...}``, and each
line of the master the answer to it, ``{...}`` or ``{"error": {"message": ..., "why": ..., "hint": ..., "code": ...,
"exit": N}}``.
What is not known is passed over, on both sides; what may be asked is what the greeting lists as capabilities. So a
newer and an older Pacha get on: whoever has more does not ask for it.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.text import masked
from pacha.wire.master import PUSH, REBUILD, Probe
from pacha.wire.message import OutOfRange, absurd, count, decode, digest, seconds

if TYPE_CHECKING:
    from pacha.wire.ssh import Stream

#: Raised when the meaning of a capability changes; what is new gets a new capability instead.
PROTOCOL = 1
PROBE, MAKE, CREATE, BEAT, HOOKS, REPOSITORY = "probe", "make", "create", "beat", "hooks", "repository"
EXAMINE = "examine"  #: for ``pacha doctor``
LAST_PUSH = "last-push"  #: the heartbeat as it lies there, for a rebuild
NEW = "new"  #: ``--repository .new-NAME-00000000`` makes one, which gets its name once it has been filled
#: What this Pacha can be asked for. REPOSITORY is no request: a channel of its own serves one (``--repository NAME``).
CAPABILITIES = (PROBE, MAKE, CREATE, BEAT, HOOKS, REPOSITORY, EXAMINE, NEW, LAST_PUSH)
_CODE = re.compile(r"[a-z]+(-[a-z0-9]+){0,9}", re.ASCII)
_VERSION_MAX = 40  #: characters, as a heartbeat has them
LINE_MAX = 64 * 1024  #: bytes of a request, an answer or a greeting


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What a master says of itself, and of the key that it was asked with; ``version`` is safe to print."""

    protocol: int
    version: str
    hosts_path: bytes
    capabilities: frozenset[str]
    may: frozenset[str]
    probe: Probe | None = None  #: a first look, so that nobody has to ask for it

    def line(self) -> bytes:
        """The line that says it."""
        seen = {} if self.probe is None else told_of(self.probe)
        return encode(
            {
                "pacha": self.protocol,
                "version": self.version,
                "hosts_path": os.fsdecode(self.hosts_path),
                "capabilities": sorted(self.capabilities),
                "may": sorted(self.may),
                **seen,
            }
        )

    @classmethod
    def read(cls, line: bytes) -> Hello | None:
        """What ``line`` says; None when it is no greeting. Raises DamagedError for one with an absurd number."""
        try:
            said = decode(line)
            may = frozenset(map(str, said["may"])) & {PUSH, REBUILD}
            path = os.fsencode(str(said["hosts_path"]))
            if not path.startswith(b"/") or b"\0" in path:
                return None
            seen = probe_of(said, may) if "clock" in said else None
            capabilities = frozenset(map(str, said["capabilities"]))
            return cls(
                protocol=count(said["pacha"]),
                version=masked(str(said.get("version", "")), _VERSION_MAX),
                hosts_path=path,
                capabilities=capabilities,
                may=may,
                probe=seen,
            )
        except OutOfRange as error:
            raise absurd(error) from None
        except (ValueError, KeyError, TypeError):
            return None


def probe_of(said: Mapping[str, Any], may: frozenset[str]) -> Probe:
    """The look at a host's folder that an answer tells. Raises ValueError, KeyError, TypeError."""
    contents = said.get("contents", {})
    digests = {name: _digest(value) for name, value in contents.items()} if isinstance(contents, dict) else {}
    return Probe(seconds(said["clock"]), _digest(said["changelog"]), may, digests)


def _digest(value: object) -> str | None:
    return None if value is None else digest(value)


def heartbeat_of(said: Mapping[str, Any]) -> bytes | None:
    """The heartbeat that an answer tells; None if there is none. Raises DamagedError."""
    line = said.get("line", "")
    try:
        return None if line is None else bytes(line.encode("latin-1"))
    except (AttributeError, ValueError):
        raise DamagedError(
            "The master's answer makes no sense.", "asked for last-push", "Run this again.",
            code="invalid-control-answer",
        ) from None  # fmt: skip


def told_of(probe: Probe) -> dict[str, Any]:
    """The same as it is told."""
    return {"clock": probe.clock, "changelog": probe.changelog, "contents": dict(probe.contents)}


def encode(message: Mapping[str, Any]) -> bytes:
    """``message`` as a line."""
    return json.dumps(message).encode("ascii") + b"\n"


class Control:
    """The client's end of the channel."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._asking = threading.Lock()  # each answer is to the request before it; repositories are begun in threads

    def greeting(self) -> Hello | None:
        """The master's greeting; None when what answers is not Pacha. Raises UnreachableError for a lost line."""
        return Hello.read(self._stream.stdout.readline(LINE_MAX))

    def ask(self, what: str, **values: Any) -> dict[str, Any]:
        """The answer to a request. Raises the PachaError that it tells of; UnreachableError."""
        with self._asking:
            answer = self._answer(what, values)
        if "error" in answer:
            raise _told(answer["error"])
        return answer

    def _answer(self, what: str, values: dict[str, Any]) -> dict[str, Any]:
        try:
            self._stream.stdin.write(encode({"do": what, **values}))
        except BrokenPipeError:
            pass  # it has ended: reading tells
        try:
            return decode(self._stream.stdout.readline(LINE_MAX))
        except OutOfRange as error:
            raise absurd(error) from None
        except ValueError:
            raise DamagedError(
                "The master gave no answer.", self._last_words(), "Run this again.", code="master-ended"
            ) from None

    def _last_words(self) -> str:
        """What it said on stderr before it ended."""
        lines = self._stream.finish().stderr.decode("utf-8", "replace").strip().splitlines()
        return _said(lines[0]) if lines else "its process ended"

    def close(self) -> None:
        """End the conversation."""
        self._stream.close_write()
        self._stream.close()


def error_of(error: PachaError) -> dict[str, Any]:
    """The answer that tells of ``error``."""
    told = {"message": error.message, "why": error.why, "hint": error.hint, "code": error.code}
    return {"error": {**told, "exit": int(error.exit_code)}}


def _told(error: object) -> PachaError:
    parts = error if isinstance(error, dict) else {}
    said = [_said(parts.get(part)) for part in ("message", "why", "hint")]
    kinds: dict[object, type[PachaError]] = {int(kind.exit_code): kind for kind in (UnreachableError, DamagedError)}
    kind = kinds.get(parts.get("exit"), PachaError) if isinstance(parts.get("exit"), int) else PachaError
    code = parts.get("code")
    known = code if isinstance(code, str) and _CODE.fullmatch(code) else "master-refuses"  # an older one tells none
    return kind(said[0] or "The master refuses, and does not say why.", *said[1:], code=known)


def _said(text: object) -> str:
    return masked(text, 500) if isinstance(text, str) else ""
