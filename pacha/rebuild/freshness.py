"""Compare the newest snapshot of a master with what else is known of the host: is there a newer one, or another?

Three sources are asked: the heartbeat that the last push left beside ``db``, this machine's own state if it is the
host, and the masters that were not chosen. A source that cannot be asked is reported, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum

from pacha.errors import Concern, PachaError
from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.fetch.worker import run_in_worker
from pacha.files.names import DATABASE, NODE
from pacha.host.context import Context
from pacha.rebuild import adoption
from pacha.rebuild.options import OtherMaster, RebuildOptions
from pacha.store import hg
from pacha.store.host_state import MasterState
from pacha.system import background
from pacha.text import escape, local_minute
from pacha.wire import heartbeat
from pacha.wire.heartbeat import Heartbeat
from pacha.wire.master import NotTold

_UNTOLD = "whether its db was set back cannot be told"


class About(str, Enum):
    """What is compared with."""

    LAST_PUSH = "last-push"
    THIS_MACHINE = "this-machine"
    OTHER_MASTER = "other-master"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """What does not agree with the snapshot, or could not be compared with it (``known`` False).

    ``master``: the one that it is about (to be escaped before it is printed); ``reason``: safe to print.
    """

    about: About
    master: bytes
    reason: str
    known: bool = True

    @property
    def concern(self) -> Concern:
        """The disagreement as a concern."""
        return Concern(self.master, self.reason)


class Whereabouts(Enum):
    """Where a snapshot is in a fetched ``db``."""

    WITHIN = "within"  #: it is the newest one, or an ancestor of that
    BESIDE = "beside"  #: it is there, but not an ancestor of the newest one
    MISSING = "missing"


#: What the master says of the last push: its heartbeat, None for none, or why that is not known.
LastPush = Callable[[], "bytes | None"]


def ask_meanwhile(staging: Staging) -> LastPush:
    """Let ``staging`` ask for the last push as soon as it has ``db``, while the content comes.

    The result waits for the answer: it raises PachaError, NotTold.
    """
    coming: list[Future[bytes | None]] = []
    staging.on_database = lambda: coming.append(background.start(staging.master.last_push, staging.host))
    return lambda: coming[-1].result()


def compare(
    context: Context, staging: Staging, fetched: Fetched, options: RebuildOptions, last_push: LastPush
) -> tuple[Disagreement, ...]:
    """Every difference between what was fetched and what else is known. () if a person named the snapshot or its time.

    Raises DamagedError.
    """
    if options.at or staging.master.local_path(DATABASE) is not None:
        return ()
    return _Comparison(context, staging, fetched).differences(options.others, last_push)


def words(difference: Disagreement) -> str:
    """The disagreement in one line, safe to print, which a person sees before anything else."""
    return f"{escape(difference.master)}: {difference.reason}"


def places(path: str, original: str, newest: str, nodes: tuple[str, ...]) -> tuple[tuple[Whereabouts, float], ...]:
    """Where each of ``nodes`` is in the ``db`` at ``path``, and when it was made (0: unknown). Raises DamagedError."""
    repository = hg.Repository.open(path, heal=False, original=original)
    return tuple(_place(repository, newest, node) for node in nodes)


def _place(repository: hg.Repository, newest: str, node: str) -> tuple[Whereabouts, float]:
    if not repository.has(node):
        return Whereabouts.MISSING, 0.0
    within = repository.is_ancestor(node, newest)
    return Whereabouts.WITHIN if within else Whereabouts.BESIDE, repository.note(node).at


@dataclass(frozen=True, slots=True)
class _Comparison:
    context: Context
    staging: Staging
    fetched: Fetched

    def differences(self, others: tuple[OtherMaster, ...], last_push: LastPush) -> tuple[Disagreement, ...]:
        return (*self._with_last_push(last_push), *self._with_this_machine(), *self._with_others(others))

    def _with_last_push(self, last_push: LastPush) -> Iterator[Disagreement]:
        about = self._about(About.LAST_PUSH)
        try:
            text = last_push()
            left = None if text is None else heartbeat.parse(text)
        except NotTold:
            return
        except PachaError as error:
            yield about(f"its last-push could not be looked at ({error.in_a_line}): {_UNTOLD}", False)
        except ValueError:
            yield about(f"its last-push makes no sense: {_UNTOLD}", False)
        else:
            if left is None:
                yield about(f"it has no last-push: {_UNTOLD}", False)
            else:
                yield from self._with_left(left, about)

    def _with_left(self, left: Heartbeat, about: Callable[[str, bool], Disagreement]) -> Iterator[Disagreement]:
        """A push that ended after we copied ``db`` left a snapshot that only the master has: no disagreement."""
        if self._places(left.tip)[0][0] is not Whereabouts.MISSING:
            return
        try:
            served = self.staging.master.serve(self.staging.host, DATABASE)
            with served as remote, hg.open_peer(remote, DATABASE) as peer:
                if peer.known([left.tip])[0]:
                    return
        except PachaError:
            pass  # it is not in the fetched db, and that is all that can be told
        what = f"the snapshot {_named(left.tip, left.made)}, which the last push left, is not in its db"
        yield about(f"{what}: that was set back, or is damaged", True)

    def _with_this_machine(self) -> Iterator[Disagreement]:
        about = self._about(About.THIS_MACHINE)
        try:
            remembers = adoption.remembers(self.context, self.staging.host)
        except PachaError as error:
            yield about(f"it cannot be compared with this machine's own history: {error.in_a_line}", False)
            return
        state = self.context.state.read()
        if not remembers or not NODE.fullmatch(state.tip):
            return
        sent = state.masters.get(self.context.master(), MasterState()).sent.get(DATABASE, "")
        left = sent if NODE.fullmatch(sent) else state.tip
        (place, at), (place_left, _) = self._places(state.tip, left)
        made = state.made[1] if state.made and state.made[0] == state.tip else at
        own_newest = _named(state.tip, made)
        if place_left is Whereabouts.MISSING and sent:
            it_left = f"{own_newest} there" if left == state.tip else f"{left[:12]} there, and has {own_newest}"
            yield about(f"it was set back: this machine left {it_left}", True)
        elif place is Whereabouts.MISSING:
            yield about(f"it does not have this machine's newest snapshot, {own_newest}", True)
        elif place is Whereabouts.BESIDE:
            yield about(f"its newest snapshot does not go on from this machine's, {own_newest}", True)
        elif self.fetched.newest and not state.remembers(self.fetched.tip):
            user = escape(self.fetched.note.user.encode())[:100]
            theirs = f"its newest snapshot, {_named(self.fetched.tip, self.fetched.note.at)} by {user}"
            yield about(f"{theirs}, is one that this machine does not remember making; its own is {own_newest}", True)

    def _with_others(self, others: tuple[OtherMaster, ...]) -> Iterator[Disagreement]:
        asked = [other for other in others if NODE.fullmatch(other.tip)]
        places = dict(zip([other.name for other in asked], self._places(*(other.tip for other in asked)), strict=True))
        for other in others:
            if other.failure:
                reason = f"it could not be asked whether it has a newer snapshot: {other.failure}"
            elif other.name not in places:
                reason = f"it has no snapshot of '{self.staging.host}'"
            elif other.tip == self.fetched.tip:
                continue
            else:
                place, at = places[other.name]
                is_behind, named = place is Whereabouts.WITHIN, _named(other.tip, at)
                verdict = f" is {named}: it is behind" if is_behind else f", {named}, is not in what is rebuilt"
                reason = f"its newest snapshot{verdict}"
            yield Disagreement(
                about=About.OTHER_MASTER, master=os.fsencode(other.name), reason=reason, known=not other.failure
            )  # fmt: skip

    def _about(self, about: About) -> Callable[[str, bool], Disagreement]:
        master = os.fsencode(self.context.master())
        return lambda reason, known: Disagreement(about=about, master=master, reason=reason, known=known)

    def _places(self, *nodes: str) -> tuple[tuple[Whereabouts, float], ...]:
        if not nodes:
            return ()
        path, original = self.staging.path(DATABASE), self.staging.original(DATABASE)
        return run_in_worker(self.staging.spool.worker, places, path, original, self.fetched.tip, nodes)


def _named(node: str, at: float) -> str:
    return f"{node[:12]} of {local_minute(at)}" if at else node[:12]
