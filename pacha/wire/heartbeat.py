"""The heartbeat that a push leaves on a master: ``last-push``, a line of JSON in the host's folder.

It is the host's to forge, and the master's. So little of it is read, and believed only where it makes sense.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pacha.files.names import NODE
from pacha.wire.master import HEARTBEAT_MAX
from pacha.wire.message import count, decode

MOST_HOURS = 31 * 24.0  #: a host that means to be heard of more rarely is judged by this
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_DEFAULT_HOURS = 12.0
_MOST_CLAIMED = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What ``last-push`` says. Times are seconds since the epoch, ``frequency`` hours, ``size`` bytes.

    ``exit`` is what the push ended with; the numbers are those of the newest snapshot, 0 where it does not say.
    ``claimed`` are the hours that it says where they are more than anybody would mean, and ``frequency`` is less.
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


def parse(text: bytes | str) -> Heartbeat:
    """What a heartbeat says. Raises ValueError."""
    try:
        if len(text) > HEARTBEAT_MAX:
            raise ValueError("too long")
        return _heartbeat(decode(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from None


def _heartbeat(said: dict[str, Any]) -> Heartbeat:
    at, tip, version = said["at"], said["tip"], said["version"]
    if not NODE.fullmatch(tip) or not version.isprintable() or len(version) > 40:
        raise ValueError("no snapshot, or no version")
    frequency = said.get("frequency", _DEFAULT_HOURS)
    if type(frequency) not in (int, float) or not 0 < frequency < math.inf:
        raise ValueError("no frequency")
    return Heartbeat(
        at=_time(at),
        tip=tip,
        exit=count(said["exit"]),
        version=version,
        made=_time(said.get("snapshot", at)),
        frequency=float(min(frequency, MOST_HOURS)),
        claimed=float(min(frequency, _MOST_CLAIMED)) if frequency > MOST_HOURS else None,
        **{name: count(said.get(name, 0)) for name in ("paths", "files", "size")},
    )


def _time(text: str) -> float:
    if not _MOMENT.fullmatch(text):
        raise ValueError("no time")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc).timestamp()
