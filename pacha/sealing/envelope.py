"""What is sealed of a file: a line that names the form, its secret attributes as a line, then its content.

Of a large file, which is stored in parts, only the first part begins like that; the others are content alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pacha.files import keyed
from pacha.files.keyed import Attributes

_HEAD = b"pacha-sealed 1\n"
_MOST = 1 << 20  #: bytes of the attributes: Linux has at most 64 KiB of names, and of each value
_MOST_PAIRS = 4096


@dataclass(frozen=True, slots=True)
class Envelope:
    """The secret ``attributes`` of a file, and its content or the first part of it."""

    attributes: Attributes
    content: bytes


def wrap(envelope: Envelope) -> bytes:
    """The bytes to seal."""
    return b"%s%s\n%s" % (_HEAD, keyed.packed(envelope.attributes), envelope.content)


def unwrap(data: bytes) -> Envelope:
    """The envelope that ``wrap`` put into ``data``. Raises ValueError for anything else: it may come from elsewhere."""
    if not data.startswith(_HEAD):
        raise ValueError("not in a form that this Pacha knows")
    end = data.find(b"\n", len(_HEAD), len(_HEAD) + _MOST)
    if end < 0:
        raise ValueError("its attributes have no end")
    try:
        pairs = json.loads(data[len(_HEAD) : end])
        attributes = tuple((bytes.fromhex(name), bytes.fromhex(value)) for name, value in pairs[:_MOST_PAIRS])
    except (ValueError, TypeError, RecursionError):
        raise ValueError("its attributes are not a list of names and values") from None
    if attributes != keyed.secret(attributes) or any(b"\0" in name for name, _ in attributes):
        raise ValueError("it has attributes that are never sealed")
    return Envelope(attributes, data[end + 1 :])
