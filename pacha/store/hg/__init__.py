"""Mercurial in this process: the only package that imports it.

Mercurial's modules are not a stable interface (``hg help internals``). So no other module of Pacha uses them, and the
version is pinned below the next major one. Only Pacha's own configuration is read: not a user's, not the system's, not
that of a repository, which may be hostile.

This facade imports Mercurial, which takes a quarter of a second, when one of these is first used:
    Repository, Reader     a local repository: commit, read, history
    OneRevisionReader      logs of one revision, also of a repository that is not complete yet
    open_lazily            a local repository that is opened only when it must be
    make_repository        one with its first commit, which needs hardly anything of Mercurial
    NewStore, Log          write the files of a new repository, in any process
    complete               make a repository of files that came from another one
    open_peer, Peer        a connection to another repository: pull, push
    serve, recover         the other end of such a connection
    unified                the difference between two texts
It knows neither host, snapshot nor SSH: a remote repository is a pair of pipes.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pacha.library import UnknownLibraryError
from pacha.store.revision import NULL, Blob, Content, Interruption, Note
from pacha.text import one_line

if TYPE_CHECKING:
    from pacha.store.hg.diff import unified
    from pacha.store.hg.first_commit import SecondWriter, complete, make_repository
    from pacha.store.hg.lazy import open_lazily
    from pacha.store.hg.new_store import Log, NewStore
    from pacha.store.hg.peer import Peer, open_peer
    from pacha.store.hg.purging import FileRevision
    from pacha.store.hg.reader import Reader
    from pacha.store.hg.repository import Repository, Revision, load
    from pacha.store.hg.revlog import OneRevisionReader
    from pacha.store.hg.runtime import frequent_gc
    from pacha.store.hg.server import recover, serve

__all__ = [
    "NULL",
    "Blob",
    "Content",
    "FileRevision",
    "Interruption",
    "Log",
    "NewStore",
    "Note",
    "OneRevisionReader",
    "Peer",
    "Reader",
    "Repository",
    "Revision",
    "SecondWriter",
    "complete",
    "frequent_gc",
    "load",
    "make_repository",
    "open_lazily",
    "open_peer",
    "recover",
    "serve",
    "unified",
]

#: The module of each name that is imported at first use (PEP 562).
_MODULES = {
    **dict.fromkeys(["Repository", "Revision", "load"], "repository"),
    **dict.fromkeys(["Peer", "open_peer"], "peer"),
    **dict.fromkeys(["recover", "serve"], "server"),
    "FileRevision": "purging",
    "frequent_gc": "runtime",
    **dict.fromkeys(["Log", "NewStore"], "new_store"),
    **dict.fromkeys(["SecondWriter", "complete", "make_repository"], "first_commit"),
    "OneRevisionReader": "revlog",
    "Reader": "reader",
    "open_lazily": "lazy",
    "unified": "diff",
}

# Mercurial reads these when it is imported: HGRCPATH empty means no configuration files, HGRCSKIPREPO skips a
# repository's own (hg help environment; mercurial/localrepo.py, loadhgrc).
os.environ.update({"HGRCPATH": "", "HGRCSKIPREPO": "1", "HGPLAIN": "1", "HGMODULEPOLICY": "allow"})


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        globals()[name] = value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except (ImportError, AttributeError) as error:
        raise UnknownLibraryError("Mercurial", one_line(str(error))) from error
    return value


def import_all() -> None:
    """Import everything now, for a process about to become an account that cannot read Pacha's modules."""
    for name in _MODULES:
        __getattr__(name)


def enable_lazy_imports() -> None:
    """Import each module of Mercurial at its first use, which halves the time to start.

    This breaks paramiko's cryptography, so only ``pacha serve`` and the worker process may call it.
    """
    import hgdemandimport  # part of Mercurial; most processes do not need it

    hgdemandimport.enable()
