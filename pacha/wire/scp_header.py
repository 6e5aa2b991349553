"""The header lines that an scp sender writes before each file and folder, and the complaints in their place."""

from __future__ import annotations

import re

from pacha.errors import DamagedError
from pacha.wire.remote_errors import RemoteFault, classify_words
from pacha.wire.scp_stream import LOOK, odd, start_of

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NAME_MAX = 255
_HEADER = re.compile(rb"([CD])([0-7]{4}) ([0-9]{1,19}) (.*)", re.DOTALL)


class RemoteError(DamagedError):
    """The sender reported an error, perhaps because a push changed the tree: try again."""


class Refused(RemoteError):
    """The path does not exist on the master: the sender said so first of all."""


def parse_header(line: bytes, *, first: bool) -> tuple[bytes, int, int, bytes]:
    """The kind (b"C": a file, b"D": a folder), mode, size in bytes, and unchecked name of a header.

    Raises DamagedError, RemoteError for a complaint, and Refused if the ``first`` line says that nothing is there.
    """
    if line[:1] in (b"\x01", b"\x02"):
        raise complaint(line[1:], first=first)
    match = _HEADER.fullmatch(line)
    if match is None:
        raise odd("a line that is not of the scp protocol", line)
    return match[1], int(match[2], 8), int(match[3]), match[4]


def check_name(name: bytes) -> None:
    """Raise DamagedError for a name that could lead out of its folder, or is not safe to print."""
    if name in (b"", b".", b"..") or b"/" in name or len(name) > _NAME_MAX:
        raise odd("a name that is not a plain file name", name)
    if _CONTROL.search(name):
        raise odd("a name with control characters", name)


def complaint(text: bytes, *, first: bool) -> RemoteError:
    """The error for a message of the sender (``scp: PATH: No such file or directory``)."""
    message, why = "The master could not send what was asked for.", f"it says: {start_of(text)}"
    if first and classify_words(text.decode("utf-8", "replace")) is RemoteFault.MISSING:
        return Refused(message, why, LOOK, subject=start_of(text), code="scp-nothing-there")
    return RemoteError(message, why, LOOK, subject=start_of(text), code="scp-refused")
