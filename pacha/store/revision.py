"""The values of a revision, for modules that do without Mercurial, whose import takes 0.2 s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NULL = "0" * 40
#: How a repository is created, here and on the master, so that no configuration there chooses it.
FORMAT = (
    ("format.use-share-safe", "yes"),
    ("format.sparse-revlog", "yes"),
    ("format.usegeneraldelta", "yes"),
    ("format.usestore", "yes"),
    ("format.usefncache", "yes"),
    ("format.dotencode", "yes"),
    ("format.revlog-compression", "zstd,zlib"),
    ("format.use-persistent-nodemap", "no"),
    ("format.use-dirstate-v2", "no"),
)
#: Requirements of a store (hg help internals.requirements) that ``store.hg`` reads straight from its files.
KNOWN_REQUIREMENTS = frozenset(
    [
        b"dotencode", b"fncache", b"generaldelta", b"revlogv1", b"sparserevlog", b"store",
        b"revlog-compression-zstd", b"persistent-nodemap",
    ]
)  # fmt: skip
#: Those of a repository that is made with ``FORMAT``.
PLAIN = KNOWN_REQUIREMENTS - {b"persistent-nodemap"} | {b"share-safe"}


class Interruption(Exception):
    """What a ``Content`` raises to end a commit; passed on as it is."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What a commit stores under a name: bytes and whether it is a symlink's target or executable."""

    data: bytes
    is_link: bool = False
    is_executable: bool = False


#: Gives the blob of a stored name, or None when it is gone.
Content = Callable[[bytes], Blob | None]


@dataclass(frozen=True, slots=True)
class Note:
    """What a revision says of itself: message and user (str), time (seconds since the epoch)."""

    message: str
    user: str
    at: float
