"""Changegroups as nobody's Mercurial makes them (hg help internals.changegroups), and a way to have one taken."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

from mercurial import changegroup as changegroups
from mercurial import hg, util

from pacha.store.hg.runtime import quiet_ui

NULL = bytes(20)
NOBODYS = b"\xab" * 20  #: a node that no repository has
_END = struct.pack(">l", 0)


def node_of(text: bytes, p1: bytes = NULL, p2: bytes = NULL) -> bytes:
    """The node (20 bytes) of a revision with this text and these parents."""
    return hashlib.sha1(min(p1, p2) + max(p1, p2) + text).digest()


def revision(node: bytes, text: bytes, *, p1: bytes = NULL, link: bytes, flags: int = 0) -> bytes:
    """A revision that replaces nothing; ``link`` is its changeset."""
    delta = struct.pack(">lll", 0, 0, len(text)) + text
    return _chunk(b"".join([node, p1, NULL, NULL, link, struct.pack(">H", flags), delta]))


def changeset(parent: bytes, manifest: bytes, files: bytes = b"") -> tuple[bytes, bytes]:
    """A changeset on ``parent``, with the names of its files, one a line: its node and its revision."""
    text = manifest.hex().encode() + b"\nroot\n0 0\n" + files + b"\n\nforged"
    node = node_of(text, parent)
    return node, revision(node, text, p1=parent, link=node)


def changegroup(changes: bytes = b"", manifests: bytes = b"", **files: bytes) -> bytes:
    """A changegroup of version 03, with the revisions of each file."""
    groups = b"".join(_chunk(name.encode()) + revisions + _END for name, revisions in files.items())
    return changes + _END + manifests + _END + _END + groups + _END


def add_unseen(repository: Path, data: bytes) -> None:
    """Add a changegroup to a repository without a look at it: stock Mercurial takes it so from a plain account."""
    ui = quiet_ui()
    ui.setconfig(b"server", b"validate", b"no")
    repo = hg.repository(ui, bytes(repository)).unfiltered()
    with repo.lock(), repo.transaction(b"unseen") as transaction:
        changegroups.cg3unpacker(util.chunkbuffer([data]), None).apply(repo, transaction, b"push", b"")


def _chunk(data: bytes) -> bytes:
    return struct.pack(">l", len(data) + 4) + data
