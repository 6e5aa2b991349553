"""The formats of repositories, told apart from what reads them: a master asks without needing Mercurial."""

from __future__ import annotations

#: Requirements of a store (hg help internals.requirements) that ``store.hg`` reads straight from its files.
KNOWN_REQUIREMENTS = frozenset(
    [
        b"dotencode", b"fncache", b"generaldelta", b"revlogv1", b"sparserevlog", b"store",
        b"revlog-compression-zstd", b"persistent-nodemap",
    ]
)  # fmt: skip
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
