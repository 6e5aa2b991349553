"""The values of a revision, for modules that do not import Mercurial (0.2 s)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

NULL = "0" * 40
#: Bytes that a revision may always have; parts of content have 4 MiB, whole files 16.
MOST = 64 << 20
#: The format of a new repository, here and on the master, whatever the configuration there says.
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
#: Requirements (hg help internals.requirements) of a store whose files ``store.hg`` can read directly.
KNOWN_REQUIREMENTS = frozenset(
    [
        b"dotencode", b"fncache", b"generaldelta", b"revlogv1", b"sparserevlog", b"store",
        b"revlog-compression-zstd", b"persistent-nodemap",
    ]
)  # fmt: skip
#: The options that make ``hg init`` use it.
INIT_OPTIONS = tuple(word for name, value in FORMAT for word in ("--config", f"{name}={value}"))
HERE = b"share-safe"  #: the requirement that stands beside the store: the others are in it
#: The requirements of a repository created with ``FORMAT``.
PLAIN = KNOWN_REQUIREMENTS - {b"persistent-nodemap"} | {HERE}
#: A revision in the index of a log (hg help internals.revlogs, version 1): the header of the log, which shares its
#: place with the offset; flags, size of the chunk, of the text, delta base, revision of the changelog, parents, node.
ENTRY = Struct(">IHHiiiiii20s12x")
INLINE = 0x0003_0001  #: a header: version 1 with the bytes inline and general deltas
CHANGELOG = 0x0000_0001  #: that of the changelog, whose bytes lie in a file of their own
META = b"\1\n"  #: starts a text with metadata before the content (mercurial/utils/storageutil.py)
_NONE = bytes(20)  #: the null node


class Interruption(Exception):
    """A ``Content`` raises it to end a commit; it is passed on unchanged."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file's content in a commit; ``is_link``: ``data`` is a symlink's target."""

    data: bytes
    is_link: bool = False
    is_executable: bool = False


#: Returns the blob of a stored name, or None where the file disappeared.
Content = Callable[[bytes], Blob | None]


@dataclass(frozen=True, slots=True)
class Note:
    """A revision's message and user (str), and its time (seconds since the epoch)."""

    message: str
    user: str
    at: float


def hashed(text: bytes, p1: bytes = _NONE, p2: bytes = _NONE) -> bytes:
    """The node of a revision (mercurial/utils/storageutil.py, hashrevisionsha1), four times as fast as Mercurial's.

    Mercurial's SHA-1 also detects collisions; here, content is compared with the snapshot's SHA-256.
    """
    digest = hashlib.sha1(min(p1, p2) + max(p1, p2), usedforsecurity=False)
    digest.update(text)
    return digest.digest()
