"""Mercurial's settings and errors: silent, obeying our settings alone, failures in plain words."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# What mercurial.initialization would import without the commands, their templates and hgweb, which nothing here
# runs: these modules register themselves where others look for them.
import mercurial.bundle2_part_handlers
import mercurial.revset
import mercurial.revset_predicates
import mercurial.subrepo
from mercurial import error, extensions
from mercurial import ui as uimodule
from mercurial.utils import compression

from pacha.errors import OF_THE_SYSTEM, DamagedError, PachaError
from pacha.library import UnknownLibraryError, has_moved, require
from pacha.store.revision import FORMAT, Interruption
from pacha.text import one_line

#: What says nothing of a repository: this machine's disk, or what this process may do.
OF_THE_DISK = OF_THE_SYSTEM | {errno.EINTR}
_LOCK_SECONDS = 30
LIBRARY = "Mercurial"
_PACKAGE = "pacha.store.hg"


def _share_compressors() -> None:
    """One zstd compressor for all file logs: each would make its own, with buffers that take longer than its file.

    It keeps nothing from one text to the next; Mercurial is only ever used by one thread of ours at a time.
    """
    engine = compression.compengines[b"zstd"]
    make, made = require(LIBRARY, engine, "revlogcompressor", "opts"), dict[object, Any]()

    def shared(opts: dict[bytes, Any] | None = None) -> Any:
        key = frozenset((opts or {}).items())
        if key not in made:
            made[key] = make(opts)
        return made[key]

    engine.revlogcompressor = shared


_share_compressors()
for registering in (mercurial.bundle2_part_handlers, mercurial.revset, mercurial.revset_predicates, mercurial.subrepo):
    registering.init()  # where imports are lazy, this is what imports it


def quiet_ui() -> Any:
    """A user interface that says nothing, asks nothing and obeys our settings alone."""
    ui = uimodule.ui()
    settings = [("ui.interactive", "no"), ("ui.quiet", "yes"), ("ui.timeout", str(_LOCK_SECONDS)),
                ("ui.large-file-limit", "0"), ("phases.publish", "yes"), ("subrepos.allowed", "no"),
                ("ui.report_untrusted", "no"),
                # No revision of ours says that it was copied, which is what this looks for in each that comes
                # (hg help config.storage); the hash of each is checked all the same.
                ("storage.revlog.issue6528.fix-incoming", "no"), *FORMAT]  # fmt: skip
    for name, value in settings:
        section, _, key = name.partition(".")
        ui.setconfig(section.encode(), key.encode(), value.encode(), b"pacha")
    ui.fout = ui.ferr = io.BytesIO()
    extensions.loadall(ui)
    extensions.populateui(ui)
    return ui


@contextlib.contextmanager
def frequent_gc() -> Iterator[None]:
    """Collect garbage often while Mercurial handles many or large files.

    Its file logs are cycles that each hold the last revision read, up to a part's size: left to the usual
    thresholds hundreds of megabytes wait to be found. What exists already is not looked through again.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100, 2, 2)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository is: its ``path``, and where its ``original`` is if it is a copy that is soon gone."""

    path: str
    original: str = ""

    def __str__(self) -> str:
        return self.original or self.path

    def said(self, text: str) -> str:
        """What Mercurial or the system says of it, with the place that can still be found later."""
        return text.replace(self.path, self.original) if self.original else text

    @property
    def advice(self) -> str:
        """Where a person should look at it."""
        if self.original:
            return f"Nothing was changed. Look at it on the master with 'hg -R {shlex.quote(self.original)} verify'."
        return "Nothing was changed. Look at it with 'hg verify'."


@contextlib.contextmanager
def translate_errors(what: str, place: Place = Place("")) -> Iterator[None]:
    """Turn what Mercurial raises over the repository at ``place`` into what a person can read.

    Damaged revlogs make it raise nearly anything (struct.error, IndexError, zlib.error, ...): whatever
    comes out of Mercurial while it reads is damage, not a bug of ours; unless Mercurial is not the one we know.
    """
    try:
        yield
    except (PachaError, MemoryError, Interruption):
        raise
    except error.LockHeld as held:
        raise PachaError(
            what,
            f"it is locked by {readable(held.locker)}",
            "If that process is gone, remove the lock it left.",
            code="repository-locked",
        ) from None
    except OSError as failure:
        if failure.errno not in OF_THE_DISK:  # a file of the store that is not there, an offset before its beginning
            why = place.said(readable(failure))
            raise DamagedError(what, why, place.advice, subject=f"{place} {why}", code="repository-damaged") from None
        why = failure.strerror or str(failure)
        raise PachaError(what, why, "Fix that and run this again.", code="disk-refused") from None
    except Exception as failure:
        refuse_unknown(failure)
        why = place.said(reason(failure))
        raise DamagedError(what, why, place.advice, subject=f"{place} {why}", code="repository-damaged") from None


def refuse_unknown(failure: Exception) -> None:
    """Raise UnknownLibraryError where ``failure`` comes from a Mercurial that Pacha does not know, not from data."""
    if has_moved(failure, _PACKAGE):
        raise UnknownLibraryError(LIBRARY, reason(failure)) from failure


def reason(failure: BaseException) -> str:
    """The kind of a failure and what it says, on one line."""
    text = readable(failure.args[0]) if failure.args else ""
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__


def readable(value: object) -> str:
    """What Mercurial says (bytes or anything) as one printable line."""
    return one_line(value if isinstance(value, bytes) else str(value))
