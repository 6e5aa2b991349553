"""The tombstone that replaces purged content (hg help internals.censor).

It is always the same, because deltas between histories with and without the content depend on its length.
"""

from __future__ import annotations

from typing import Any

from mercurial import filelog
from mercurial import node as nodes
from mercurial.revlogutils import constants
from mercurial.utils import storageutil

from pacha.library import require
from pacha.store.hg.bounds import LIBRARY
from pacha.store.revision import hashed

TEXT: bytes = storageutil.packmeta({b"censored": b""}, b"")
_ONLY_FLAG: int = constants.REVIDX_ISCENSORED


def is_tombstone(log: Any, number: int) -> bool:
    """Whether a revision of a file is a tombstone, and nothing else."""
    if log.flags(number) != _ONLY_FLAG or log.target[0] != constants.KIND_FILELOG:
        return False
    return bool(log.rawsize(number) == len(TEXT) and bytes(log._inner._chunk(number)) == TEXT)


def keep_apart() -> None:
    """From now on, purged content that is committed again gets a revision of its own.

    Mercurial would find the hash of the purged revision, and consider the content stored. It would also read a purged
    revision to see whether it is a copy, which Pacha never records.
    """
    add = require(LIBRARY, filelog.filelog, "add", "text", "meta", "transaction", "link", "p1", "p2")
    compare = require(LIBRARY, filelog.filelog, "cmp", "node", "text")
    find_copy = require(LIBRARY, filelog.filelog, "renamed", "node")

    def add_apart(log: Any, text: bytes, meta: Any, transaction: Any, link: int, p1: Any = None, p2: Any = None) -> Any:
        parents = (p1 or nodes.nullid, p2 or nodes.nullid)
        if any(log.iscensored(number) for number in log):
            while log.hasnode(node := hashed(text, *parents)) and log.iscensored(log.rev(node)):
                parents = (node, nodes.nullid)
        return add(log, text, meta, transaction, link, *parents)

    def differs(log: Any, node: bytes, text: bytes) -> bool:
        return bool(log.iscensored(log.rev(node)) or compare(log, node, text))

    def renamed(log: Any, node: bytes) -> Any:
        return None if log.iscensored(log.rev(node)) else find_copy(log, node)

    filelog.filelog.add, filelog.filelog.cmp, filelog.filelog.renamed = add_apart, differs, renamed
