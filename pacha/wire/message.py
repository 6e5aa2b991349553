"""A message from another machine or process: an object of JSON, whose numbers are finite and within 64 bits.

Python's own reader accepts NaN, Infinity, 1e999 and thousands of digits as numbers, which make a computation fail much
later. So ``decode`` reads every text that somebody else may have written, and a time, a count, a digest or a node in
it is read by the function of that name.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from pacha.errors import DamagedError
from pacha.files.names import NODE

LATEST = 1e11  #: seconds since the epoch; every calendar function can convert an earlier time
_MOST = 2**63 - 1
_DIGITS = 20  #: characters of a number, with its sign
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class OutOfRange(ValueError):
    """A number that makes no sense."""


def decode(line: bytes | str) -> dict[str, Any]:
    """The message in a line. Raises ValueError, and OutOfRange if only a number in it is invalid."""
    try:
        text = line if isinstance(line, str) else line.decode("utf-8")  # of bytes, json would guess the encoding
        message = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("no message")
    return message


def seconds(value: object) -> float:
    """A time in seconds since the epoch. Raises TypeError, OutOfRange."""
    if type(value) not in (int, float):
        raise TypeError("no time")
    if not 0 <= value < LATEST:  # type: ignore[operator]
        raise OutOfRange("no clock says so")
    return float(value)  # type: ignore[arg-type]


def count(value: object) -> int:
    """A count. Raises TypeError, OutOfRange."""
    if type(value) is not int:
        raise TypeError("no number")
    if not 0 <= value <= _MOST:
        raise OutOfRange("not that many")
    return value


def digest(value: object) -> str:
    """A sha256 (hex). Raises TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError("no sha256")
    if not _DIGEST.fullmatch(value):
        raise ValueError("no sha256")
    return value


def node(value: object) -> str:
    """The node of a snapshot (hex). Raises TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError("no snapshot")
    if not NODE.fullmatch(value):
        raise ValueError("no snapshot")
    return value


def absurd(error: OutOfRange) -> DamagedError:
    """The error for a master that sent a number which makes no sense."""
    return DamagedError(
        "What the master says makes no sense.",
        str(error),
        "Look at Pacha on the master and at its clock; run this again when both are right.",
        code="absurd-number",
    )


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS or abs(number := int(digits)) > _MOST:
        raise OutOfRange("a number that is too large")
    return number


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise OutOfRange("a number that is too large")
    return number


def _refuse(word: str) -> NoReturn:
    raise OutOfRange(f"{word} is not a number")
