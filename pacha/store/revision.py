"""The values of a revision, for modules that do not import Mercurial (0.2 s)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NULL = "0" * 40
#: Bytes that a revision may have without further proof; parts of content have 4 MiB, whole files 16.
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
#: What makes ``hg init`` use it.
INIT_OPTIONS = tuple(word for name, value in FORMAT for word in ("--config", f"{name}={value}"))
#: The requirements of a repository created with ``FORMAT``.
PLAIN = KNOWN_REQUIREMENTS - {b"persistent-nodemap"} | {b"share-safe"}


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
