"""Mercurial's settings and errors: it prints nothing, has only Pacha's settings, and fails in plain words."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# These modules register themselves. mercurial.initialization would import them, but also the commands, their templates
# and hgweb, which nothing here needs.
import mercurial.bundle2_part_handlers
import mercurial.revset
import mercurial.revset_predicates
import mercurial.subrepo
from mercurial import error, extensions, namespaces, util
from mercurial import ui as uimodule

from pacha.errors import OF_THE_SYSTEM, DamagedError, PachaError, cause
from pacha.library import UnknownLibraryError, has_moved, require
from pacha.store.hg.bounds import LIBRARY, bound_expansion
from pacha.store.hg.incoming import VALIDATE
from pacha.store.revision import FORMAT, Interruption
from pacha.text import one_line

#: Errors of this machine's disk, or of this process's permissions; they say nothing of a repository.
OF_THE_DISK = OF_THE_SYSTEM | {errno.EINTR}
_CURES = {errno.ENOSPC: "Make room there", errno.EDQUOT: "Raise the quota there"}
_LOCK_SECONDS = 30
_PACKAGE = "pacha.store.hg"


bound_expansion()
require(LIBRARY, util, "expandpath", "path")
util.expandpath = lambda path: path  # it would replace $NAME in a path by the value of a variable
for registering in (mercurial.bundle2_part_handlers, mercurial.revset, mercurial.revset_predicates, mercurial.subrepo):
    registering.init()  # with lazy imports, this imports the module
# The first object registers a keyword for each namespace, if nobody has; two threads would register it twice.
require(LIBRARY, namespaces, "namespaces")()


def quiet_ui() -> Any:
    """A user interface that prints nothing, asks nothing and has only Pacha's settings."""
    ui = uimodule.ui()
    settings = [("ui.interactive", "no"), ("ui.quiet", "yes"), ("ui.timeout", str(_LOCK_SECONDS)),
                ("ui.large-file-limit", "0"), ("phases.publish", "yes"), ("subrepos.allowed", "no"),
                ("ui.report_untrusted", "no"),
                ("censor.policy", "ignore"),  # purged content hides no line that came later (annotate)
                # The search of every incoming revision for copies, which Pacha never records, is off (hg help
                # config.storage); hashes are checked all the same.
                ("storage.revlog.issue6528.fix-incoming", "no"), VALIDATE, *FORMAT]  # fmt: skip
    configure(ui, settings)
    ui.fout = ui.ferr = io.BytesIO()
    extensions.loadall(ui)
    extensions.populateui(ui)
    return ui


def configure(ui: Any, settings: Iterable[tuple[str, str]]) -> None:
    """Give ``ui`` these settings: names as in ``section.key``, and values."""
    for name, value in settings:
        section, _, key = name.partition(".")
        ui.setconfig(section.encode(), key.encode(), value.encode(), b"pacha")


@contextlib.contextmanager
def frequent_gc() -> Iterator[None]:
    """Collect garbage often while Mercurial handles many or large files.

    Its file logs are reference cycles that each hold the last revision read, up to a part's size: with the usual
    thresholds, hundreds of megabytes pile up. Objects that exist already are not looked at.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100, 2, 2)
    try:
        yield
    finally:
        gc.collect()  # a commit and its manifests are a cycle; after unfreeze() this would look at all objects
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(frozen=True, slots=True)
class Place:
    """A repository's ``path``; ``original``: the path that it is a temporary copy of."""

    path: str
    original: str = ""

    def __str__(self) -> str:
        return self.original or self.path

    def translate(self, text: str) -> str:
        """A message about the repository, with the path of the original instead of the copy's."""
        return text.replace(self.path, self.original) if self.original else text

    @property
    def advice(self) -> str:
        """The hint that says where to look at the repository."""
        if self.original:
            return f"Nothing was changed. Look at it on the master with 'hg -R {shlex.quote(self.original)} verify'."
        return "Nothing was changed. Look at it with 'hg verify'."


@contextlib.contextmanager
def translate_errors(message: str, place: Place = Place("")) -> Iterator[None]:
    """Turn what Mercurial raises over the repository at ``place`` into a PachaError.

    Damaged revlogs make it raise nearly anything (struct.error, IndexError, zlib.error, ...). So any exception while it
    reads means damage, unless this Mercurial is an unknown one.
    """
    try:
        yield
    except (PachaError, MemoryError, Interruption):
        raise
    except error.LockHeld as held:
        raise PachaError(
            message,
            f"it is locked by {readable(held.locker)}",
            "If that process is gone, remove the lock it left.",
            code="repository-locked",
        ) from None
    except OSError as failure:
        if failure.errno not in OF_THE_DISK:  # a file of the store is missing, an offset lies before its start
            why = place.translate(readable(failure))
            raise DamagedError(
                message, why, place.advice, subject=f"{place} {why}", code="repository-damaged"
            ) from None
        raise PachaError(message, cause(failure), cure_of(failure), code="disk-refused") from None
    except Exception as failure:
        refuse_unknown(failure)
        why = place.translate(reason(failure))
        raise DamagedError(message, why, place.advice, subject=f"{place} {why}", code="repository-damaged") from None


def reading(place: Place) -> contextlib.AbstractContextManager[None]:
    """Turn what Mercurial raises while it reads the repository at ``place`` into a PachaError, mostly DamagedError."""
    return translate_errors(f"The repository {place} is damaged.", place)


def cure_of(failure: OSError) -> str:
    """What to do about a disk that refuses."""
    return f"{_CURES.get(failure.errno or 0, 'Fix that')}, then run this again."


def refuse_unknown(failure: Exception) -> None:
    """Raise UnknownLibraryError where ``failure`` comes from an unknown Mercurial and not from data."""
    if has_moved(failure, _PACKAGE):
        raise UnknownLibraryError(LIBRARY, reason(failure)) from failure


def reason(failure: BaseException) -> str:
    """A failure's class and message on one line."""
    text = readable(failure.args[0]) if failure.args else ""
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__


def readable(value: object) -> str:
    """A message of Mercurial (bytes or any object) as one printable line."""
    return one_line(value if isinstance(value, bytes) else str(value))
