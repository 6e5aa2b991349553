"""Check the revisions of an incoming bundle: Mercurial stores most of them without a check of their hash.

Otherwise a client could push wrong content under a node that another host is going to push. Mercurial would consider
that host's revision stored already, and nothing could restore it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from mercurial import changelog, error, revlog

from pacha.errors import PachaError
from pacha.library import require
from pacha.store.hg.bounds import LIBRARY
from pacha.store.hg.tombstone import is_tombstone
from pacha.text import escape

#: Whether a revision (its stored name, and its node of 20 bytes) may come in without its content.
AcceptsPurged = Callable[[bytes, bytes], bool]

#: A changeset must come with its manifest and the files in that (hg help config.server, "validate").
VALIDATE = ("server.validate", "yes")


@contextlib.contextmanager
def check_incoming(
    wait_seconds: float = 0.0, accepts_purged: AcceptsPurged = lambda name, node: False
) -> Iterator[None]:
    """In the body, each revision that a bundle adds must fit its hash and belong to a changeset of that bundle.

    Otherwise it raises Mercurial's StorageError, after ``wait_seconds``, and Mercurial rolls back. Revisions with flags
    are refused, as Mercurial does not check the hash of some. Only a tombstone has a flag, and does not fit its hash;
    one that ``accepts_purged`` does not know raises PachaError. Inside another such body, only the inner one checks.
    """
    before_this = require(LIBRARY, revlog.revlog, "addgroup", "deltas", "linkmapper", "transaction")
    plain, first = getattr(before_this, "__wrapped__", before_this), 0

    def add_group(log: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal first
        before = len(log)
        if isinstance(log, changelog.changelog):  # the first group of a bundle
            first = before
        try:
            added = plain(log, *arguments, **options)
            for number in range(before, len(log)):
                _check(log, number, first, accepts_purged)
        except (error.StorageError, PachaError):
            time.sleep(wait_seconds)
            raise
        return added

    add_group.__wrapped__ = plain  # type: ignore[attr-defined]
    revlog.revlog.addgroup = add_group
    try:
        yield
    finally:
        revlog.revlog.addgroup = before_this


def _check(log: Any, number: int, first: int, accepts_purged: AcceptsPurged) -> None:
    if log.linkrev(number) < first:
        raise error.StorageError(b"%s: a revision of no changeset that came with it" % log.display_id)
    if not log.flags(number):
        log.revision(number)
    elif not is_tombstone(log, number):
        raise error.StorageError(b"%s: a revision with flags" % log.display_id)
    elif not accepts_purged(log.target[1], log.node(number)):
        raise _not_recorded(log.target[1])


def _not_recorded(name: bytes) -> PachaError:
    return PachaError(
        f"Content of {escape(name)} was purged elsewhere, and that is not recorded here.",
        "",
        "On the master, run the 'pacha purge' that the push names, with --record.",
        code="purge-not-recorded",
    )
