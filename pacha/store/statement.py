"""What a host signs of a snapshot: the texts ``statement`` and ``statement.sig`` beside pacha.db in ``db``.

pacha.db has the SHA-256 of every file and of the companions, and the statement that of pacha.db. So one signature
covers all that a rebuild restores. It does not cover ``changes``, nor the message and the user of the revision, which
only inform. The time of the revision must be that of the statement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pacha.errors import DamagedError, PurgedError
from pacha.system.signed_text import NO_DIGEST, join_fields, read_counter, read_digest, read_time, split_fields
from pacha.text import rfc3339

STATEMENT, SIGNATURE = b"statement", b"statement.sig"  #: the names in ``db``
NAMESPACE = "snapshot@pacha"
_TITLE = "pacha-snapshot 1"
_FIELDS = ("host", "counter", "time", "pacha.db", "before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Statement number ``counter`` of ``host``, made at the time ``at`` (seconds since the epoch).

    ``database``: the sha256 (hex) of pacha.db; ``before``: that of the host's last statement, "-" for none.
    """

    host: str
    counter: int
    at: float
    database: str
    before: str = NO_DIGEST


def encode(statement: Statement) -> bytes:
    """The text that is signed."""
    values = (statement.host, str(statement.counter), rfc3339(statement.at), statement.database, statement.before)
    return join_fields(_TITLE, dict(zip(_FIELDS, values, strict=True)))


def decode(text: bytes) -> Statement:
    """What the text says. Raises ValueError."""
    host, counter, at, image, before = split_fields(text, _TITLE, _FIELDS).values()
    return Statement(
        host=host, counter=read_counter(counter), at=read_time(at), database=read_digest(image),
        before=read_digest(before),
    )  # fmt: skip


def read(reader: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    """The statement and the signature of a revision of ``db``; b"" for what it does not have.

    ``reader`` gives the bytes of a file in it.
    """

    def read_one(name: bytes) -> bytes:
        try:
            return reader(name)
        except (DamagedError, PurgedError):  # missing or unreadable
            return b""

    return read_one(STATEMENT), read_one(SIGNATURE)
