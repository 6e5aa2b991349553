"""Check what comes in with a bundle: Mercurial stores most revisions as they are told, without a look at their hash.

So whoever may push could give a wrong content to a node that somebody else is going to push: that one's own revision
would be "there already", and nothing could restore it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from mercurial import changelog, error, revlog

from pacha.library import require
from pacha.store.hg.bounds import LIBRARY

#: Each changeset brings its manifest and the files that this needs (hg help config.server, "validate").
VALIDATE = ("server.validate", "yes")


@contextlib.contextmanager
def check_incoming(wait_seconds: float = 0.0) -> Iterator[None]:
    """Meanwhile, each revision that a bundle adds must have its hash, and a changeset that came with it.

    Otherwise Mercurial raises its StorageError, after ``wait_seconds``, and rolls back. The revisions have no flags:
    Pacha makes none, and with some of them Mercurial checks no hash.
    """
    plain, first = require(LIBRARY, revlog.revlog, "addgroup", "deltas", "linkmapper", "transaction"), 0

    def add_group(log: Any, *arguments: Any, **options: Any) -> Any:
        nonlocal first
        before = len(log)
        if isinstance(log, changelog.changelog):  # the first group of a bundle
            first = before
        try:
            added = plain(log, *arguments, **options)
            for number in range(before, len(log)):
                _check(log, number, first)
        except error.StorageError:
            time.sleep(wait_seconds)
            raise
        return added

    revlog.revlog.addgroup = add_group
    try:
        yield
    finally:
        revlog.revlog.addgroup = plain


def _check(log: Any, number: int, first: int) -> None:
    if log.flags(number):
        raise error.StorageError(b"%s: a revision with flags" % log.display_id)
    if log.linkrev(number) < first:
        raise error.StorageError(b"%s: a revision of no changeset that came with it" % log.display_id)
    log.revision(number)
