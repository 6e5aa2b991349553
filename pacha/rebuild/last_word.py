"""Compare a signed snapshot with what else its host signed: is it the newest one?

The master may show an old state, and the signed heartbeat of that time with it. What proves that something newer is
hidden ends the rebuild: a higher counter in the heartbeat, or in this machine's own memory. What is only a sign of that
is reported before the first change: the last signed word is older than the host's own frequency allows.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

from pacha.errors import DamagedError, PachaError
from pacha.fetch import provenance
from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.files.names import DATABASE
from pacha.host.context import Context
from pacha.rebuild.freshness import About, Disagreement, LastPush
from pacha.rebuild.options import RebuildOptions
from pacha.store.statement import Statement
from pacha.text import local_minute, rfc3339, span
from pacha.wire import heartbeat
from pacha.wire.heartbeat import LastWord
from pacha.wire.master import NotTold

_AHEAD = 300.0  #: seconds that a host's clock may be ahead of ours
_DEFAULT_HOURS = 12.0
_HINT = (
    "Nothing was changed. If a push ended just now, run this again; if the master lost what was newer, name what there "
    "is by its id: pacha rebuild {host} --at {node}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBy:
    """Who signed a snapshot: the key's fingerprint, and when. Times are seconds since the epoch.

    ``heard``: when the host left its newest signed heartbeat, None where there is none that counts, or nobody asked.
    """

    host: str
    key: str
    at: float
    counter: int
    heard: float | None = None

    @property
    def words(self) -> str:
        """A line for the plan."""
        signed = f"Signed by the key {self.key} of '{self.host}' at {local_minute(self.at)} (number {self.counter})"
        if self.heard is None:
            return f"{signed}."
        return f"{signed}; its newest signed heartbeat is {span(time.time() - self.heard)} old."


def compare(
    context: Context, staging: Staging, fetched: Fetched, options: RebuildOptions, last_push: LastPush
) -> tuple[SignedBy | None, tuple[Disagreement, ...]]:
    """Who signed what was ``fetched`` (None: nobody has to), and what makes it doubtful that it is the newest.

    A snapshot that a person named is not compared. Raises DamagedError if a newer or another one is hidden.
    """
    statement = fetched.provenance.statement
    if statement is None or not fetched.provenance.vouched:
        return None, ()
    signed = SignedBy(host=statement.host, key=fetched.provenance.key, at=statement.at, counter=statement.counter)
    if options.at or staging.master.local_path(DATABASE) is not None:
        return signed, ()
    _check_memory(context, staging.host, fetched, statement)
    word, doubt = _last_word(staging, last_push)
    if word is not None:
        _check_word(word, fetched, statement)
        signed = replace(signed, heard=word.at)
    about = os.fsencode(context.master())
    doubts = [text for text in (doubt, _of_age(word, fetched, statement)) if text]
    return signed, tuple(Disagreement(about=About.SIGNATURE, master=about, reason=text, known=False) for text in doubts)


def _check_memory(context: Context, host: str, fetched: Fetched, statement: Statement) -> None:
    known = context.state.read().stated.get(host)
    if known is None or statement.counter > known.counter:
        return
    if statement.counter < known.counter:
        raise DamagedError(
            f"The master shows an older snapshot of '{host}' than this machine knows of.",
            f"its newest is number {statement.counter} of {rfc3339(statement.at)}, "
            f"and this machine knows number {known.counter}",
            _HINT.format(host=host, node=fetched.tip[:12]),
            code="snapshot-set-back",
        )
    _check_same(host, statement.counter, fetched.provenance.digest, known.digest)


def _check_word(word: LastWord, fetched: Fetched, statement: Statement) -> None:
    if word.counter > statement.counter:
        raise DamagedError(
            f"The master does not show the newest snapshot of '{statement.host}'.",
            f"the host's signed heartbeat of {rfc3339(word.at)} names number {word.counter}, "
            f"this is {statement.counter}",
            _HINT.format(host=statement.host, node=fetched.tip[:12]),
            code="snapshot-hidden",
        )
    if word.counter == statement.counter:
        _check_same(statement.host, statement.counter, fetched.provenance.digest, word.statement)


def _check_same(host: str, counter: int, shown: str, known: str) -> None:
    if shown != known:
        raise DamagedError(
            f"Two snapshots of '{host}' are signed as number {counter}.",
            "somebody else has its key, or it was set back to an older state, or runs twice",
            "Nothing was changed. Find out which machine made which ('pacha log'); then name one with --at.",
            code="counter-used-twice",
        )


def _last_word(staging: Staging, last_push: LastPush) -> tuple[LastWord | None, str]:
    """The word that the host signed in its heartbeat; None if that does not count, with the reason."""
    untold = "whether the master hides newer snapshots cannot be told"
    try:
        text = last_push()
        signed = heartbeat.parse(text).signed if text is not None else None
        if signed is None:
            return None, f"its last-push is not signed: {untold}"
        provenance.check_word(signed, staging.host, staging.signers)
    except (PachaError, ValueError, NotTold) as error:
        why = error.in_a_line if isinstance(error, PachaError) else "it cannot be read"
        return None, f"its last-push does not count ({why}): {untold}"
    return signed.word, ""


def _of_age(word: LastWord | None, fetched: Fetched, statement: Statement) -> str:
    """Why the time of the last signed word is suspicious, "" if it is not."""
    age = time.time() - max(statement.at, word.at if word else 0.0)
    hours = word.frequency if word else _frequency(fetched)
    if age < -_AHEAD:
        return f"the last signed word of '{statement.host}' is {span(-age)} ahead of this machine's clock: one is wrong"
    if age <= hours * 3600 + heartbeat.GRACE:
        return ""
    return (
        f"the last signed word of '{statement.host}' is {span(age)} old, and it means to push every {hours:g} hours: "
        "if it lived on after that, the master hides newer snapshots"
    )


def _frequency(fetched: Fetched) -> float:
    try:
        return float(fetched.snapshot.meta.get("frequency", _DEFAULT_HOURS))
    except ValueError:
        return _DEFAULT_HOURS
