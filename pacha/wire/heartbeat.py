"""The heartbeat that a push leaves on a master: ``last-push``, a line of JSON in the host's folder.

The host and the master can forge it. So little of it is read, and a value is believed only if it makes sense.

A host that signs its snapshots signs its last word, too: ``word`` is that text, with the time of the host's own clock,
and ``signature`` its SSHSIG in base64. The rest of the line is not signed. An older Pacha ignores both.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import Any

from pacha.files.names import NODE
from pacha.system.signature import Signature, read_blob
from pacha.system.signed_text import join_fields, read_counter, read_digest, read_time, split_fields
from pacha.text import rfc3339
from pacha.wire.master import HEARTBEAT_MAX
from pacha.wire.message import count, decode

MOST_HOURS = 31 * 24.0  #: a host that claims to push more rarely is judged by this
GRACE = 2 * 3600.0  #: seconds before a host is late: the job runs every hour, and once more after a failure
NAMESPACE = "heartbeat@pacha"
_TITLE = "pacha-heartbeat 1"
_FIELDS = ("host", "counter", "time", "frequency", "snapshot", "statement")
_DEFAULT_HOURS = 12.0
_MOST_CLAIMED = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWord:
    """What a host signs in a heartbeat: at ``at`` (its own clock), ``tip`` was its newest snapshot.

    ``counter`` is that of the snapshot's statement, ``statement`` the sha256 (hex) of that text; ``frequency``: hours.
    """

    host: str
    counter: int
    at: float
    frequency: float
    tip: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedWord:
    """A last word as it came: its text and signature, neither of which is verified."""

    word: LastWord
    text: bytes
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What ``last-push`` says. Times are seconds since the epoch, ``frequency`` hours, ``size`` bytes.

    ``exit`` is the exit code of the push; ``paths``, ``files`` and ``size`` are those of the newest snapshot, 0 if
    unknown. ``claimed``: the hours that the host claims, if they are more than MOST_HOURS, to which ``frequency`` is
    limited. ``signed``: the host's signed word, None if it is missing or unreadable.
    """

    at: float
    tip: str
    exit: int
    version: str
    made: float
    frequency: float
    paths: int
    files: int
    size: int
    claimed: float | None = None
    signed: SignedWord | None = None


def encode_word(word: LastWord) -> bytes:
    """The text that is signed."""
    hours = f"{min(word.frequency, MOST_HOURS):g}"
    values = (word.host, str(word.counter), rfc3339(word.at), hours, word.tip, word.statement)
    return join_fields(_TITLE, dict(zip(_FIELDS, values, strict=True)))


def decode_word(text: bytes) -> LastWord:
    """What the text says. Raises ValueError."""
    host, counter, at, hours, tip, statement = split_fields(text, _TITLE, _FIELDS).values()
    frequency = float(hours)
    if not NODE.fullmatch(tip) or not 0 < frequency <= MOST_HOURS:
        raise ValueError("no snapshot, or no frequency")
    return LastWord(
        host=host, counter=read_counter(counter), at=read_time(at), frequency=frequency, tip=tip,
        statement=read_digest(statement),
    )  # fmt: skip


def signed_fields(text: bytes, signature: Signature) -> dict[str, str]:
    """The fields of the line that hold a signed word."""
    return {"word": text.decode("ascii"), "signature": base64.b64encode(signature.blob).decode("ascii")}


def parse(text: bytes | str) -> Heartbeat:
    """What a heartbeat says. Raises ValueError."""
    try:
        if len(text) > HEARTBEAT_MAX:
            raise ValueError("too long")
        return _heartbeat(decode(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def _heartbeat(values: dict[str, Any]) -> Heartbeat:
    at, tip, version = values["at"], values["tip"], values["version"]
    if not NODE.fullmatch(tip) or not version.isprintable() or len(version) > 40:
        raise ValueError("no snapshot, or no version")
    frequency = values.get("frequency", _DEFAULT_HOURS)
    if type(frequency) not in (int, float) or not 0 < frequency < math.inf:
        raise ValueError("no frequency")
    return Heartbeat(
        at=read_time(at),
        tip=tip,
        exit=count(values["exit"]),
        version=version,
        made=read_time(values.get("snapshot", at)),
        frequency=float(min(frequency, MOST_HOURS)),
        claimed=float(min(frequency, _MOST_CLAIMED)) if frequency > MOST_HOURS else None,
        signed=_signed(values),
        **{name: count(values.get(name, 0)) for name in ("paths", "files", "size")},
    )


def _signed(values: dict[str, Any]) -> SignedWord | None:
    """The signed word; None if it is missing or unreadable: the heartbeat then counts as not signed."""
    try:
        text = values["word"].encode("ascii")
        signature = read_blob(base64.b64decode(values["signature"], validate=True))
        return SignedWord(word=decode_word(text), text=text, signature=signature)
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
