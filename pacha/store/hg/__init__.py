"""Mercurial in this process. The only package that imports it; each function is one verb of ours.

Mercurial promises nothing about its modules (``hg help internals``), which is why no other module knows
them and why the version is pinned below the next major one. No configuration but our own is ever read:
not a user's, not the system's, not that of a repository, which may have come from anywhere.
"""

from __future__ import annotations

import os

# Paramiko's cryptography and Mercurial's demandimport clash; demandimport stays off. The environment is
# read when Mercurial is imported: HGRCPATH empty means no configuration files, HGRCSKIPREPO skips a
# repository's own (hg help environment; mercurial/localrepo.py, loadhgrc).
os.environ.update({"HGRCPATH": "", "HGRCSKIPREPO": "1", "HGPLAIN": "1", "HGMODULEPOLICY": "allow"})

# What mercurial.initialization would import without the commands, their templates and hgweb, which nothing here
# runs: they register themselves where others look for them.
import mercurial.bundle2_part_handlers
import mercurial.revset
import mercurial.revset_predicates
import mercurial.subrepo

from pacha.store.hg.diff import unified
from pacha.store.hg.peer import Peer, peer
from pacha.store.hg.repository import Reader, Repository, Revision, load
from pacha.store.hg.runtime import frequent_gc
from pacha.store.revision import NULL, Blob, Content, Interruption, Note

__all__ = [
    "NULL",
    "Blob",
    "Content",
    "Interruption",
    "Note",
    "Peer",
    "Reader",
    "Repository",
    "Revision",
    "frequent_gc",
    "load",
    "peer",
    "unified",
]

for registering in (mercurial.bundle2_part_handlers, mercurial.revset, mercurial.revset_predicates, mercurial.subrepo):
    registering.init()  # where imports are lazy, this is what imports it
