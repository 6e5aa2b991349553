"""A push: scan, commit what changed, send what each master lacks, leave the heartbeat.

Content goes first and ``db`` last, so that whatever ``db`` revision a rebuild starts from, all that it
names is already there. A push that is cut off changes nothing that a rebuild would see.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from pacha.errors import Concern, ExitCode, PachaError
from pacha.files import scan
from pacha.files.metadata import Entry
from pacha.files.names import DATABASE, PACHA_DB
from pacha.files.owners import Accounts
from pacha.host import owed, watch
from pacha.host.context import Context
from pacha.host.due import PUSH
from pacha.host.masters import connect
from pacha.push import commit, reconcile, remote_check, snapshot
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.store import change_list, database
from pacha.store.snapshot import Changes, Snapshot, Watched, compare
from pacha.system import background
from pacha.text import escape
from pacha.wire.master import Master, Probe, RolledBack

#: What is remembered of a push until it ends: all that is left of one that was killed.
_CUT_OFF = "The last push was cut off."
_OWED = "is owed by the last rebuild: run that again, or give it up with 'pacha push --accept'"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did. ``tip``: the newest snapshot (hex node); ``masters``: who has it now.

    ``committed``: a snapshot was made; ``sent``: a master lacked something; ``failures``: why a master, by its
    name, was not brought up to date, in which case what changed waits here for the next push.
    """

    host: str
    masters: tuple[str, ...]
    tip: str
    changes: Changes
    paths: int
    committed: bool
    sent: bool
    concerns: tuple[Concern, ...]
    notices: tuple[str, ...]
    failures: tuple[tuple[str, PachaError], ...] = ()
    seconds: float = 0.0

    @property
    def master(self) -> str:
        """Who has it now, for people."""
        return " and ".join(self.masters)

    @property
    def failure(self) -> PachaError | None:
        """Why no master has it."""
        return None if self.masters else self.failures[0][1]


def push(
    context: Context, *, accept: bool = False, take_over: bool = False, message: str = "", wait_seconds: float = 0
) -> Pushed:
    """Push what is watched. ``accept`` gives up what an earlier rebuild still owes.

    Raises LockedError, ConfigError, PachaError when nothing could be tried.
    """
    began = time.monotonic()
    context.config.masters()  # a missing one is said before anything is done
    with context.state.locked(wait_seconds, PUSH):
        context.state.remember(tried=time.time(), failure=_CUT_OFF, cure=None)
        _sweep(context)
        try:
            pushed = _locked(context, accept, take_over, message)
        except Exception as error:
            with suppress(OSError):  # the disk is full, say: that is not what should be told
                context.state.remember(failure=_told(error), cure=getattr(error, "hint", None))
            raise
    return replace(pushed, seconds=time.monotonic() - began)


def _sweep(context: Context) -> None:
    """Remove what a killed rebuild had fetched: it holds all that the host keeps, in the clear."""
    memory = context.state.memory()
    if memory.get("staging") or memory.get("staging_left"):
        from pacha.fetch import staging_dir

        staging_dir.remove_leftovers(context)


def _told(error: Exception) -> str:
    return error.in_a_line if isinstance(error, PachaError) else escape(str(error))


def _locked(context: Context, accept: bool, take_over: bool, message: str) -> Pushed:
    for _ in context.config.masters():
        with suppress(RolledBack):
            return _attempt(context, accept, take_over, message)
    return _attempt(context, accept, take_over, message)


def _attempt(context: Context, accept: bool, take_over: bool, message: str) -> Pushed:
    errand = PushSession(context, context.hostname(), take_over, message, context.state.memory())
    with _reaching(errand) as reached:
        last = _last(context, accept)
        reconcile.check_name(errand, last)
        return _push(errand, last, reached)


def _last(context: Context, accept: bool) -> Snapshot:
    """The last snapshot made here. Raises PachaError when there must be no next one."""
    last = database.read(context.state.database)
    if not last.live:
        lost = f"pacha restore-db {context.hostname()}"
        hint = f"Name what matters first: pacha watch /etc; or, if the state folder of this machine was lost: {lost}"
        raise PachaError("Nothing is watched yet.", "", hint, code="nothing-watched")
    for one in last.live:
        watch.check_own(context, one.path)  # the configuration may have changed since it was watched
    _check_rebuilt(context, last, accept)
    if accept:
        context.state.remember(owed=None)
    return last


def _check_rebuilt(context: Context, last: Snapshot, accept: bool) -> None:
    """Refuse to make what a killed rebuild left behind the newest snapshot; ``accept`` says that it is meant."""
    accepted = set(context.state.memory().get("accepted", []))
    killed = owed.killed_rebuilds(context.state, last)
    if accept:
        context.state.remember(accepted=killed or None)
    elif set(killed) - accepted:
        raise PachaError(
            "A rebuild of this machine was not finished.",
            "what it did not put back would be recorded as gone",
            "Run it again, or 'pacha undo' it; if the files are meant to be as they are: pacha push --accept",
            code="rebuild-unfinished",
        )


@contextmanager
def _reaching(errand: PushSession) -> Iterator[list[Future[tuple[Master, Probe]]]]:
    """Connect to every master while the caller reads and scans; hang up in the end, on late ones when they answer."""

    def reach(delivery: MasterTarget) -> tuple[Master, Probe]:
        master = connect(errand.context, delivery.name)
        try:
            return master, master.probe(errand.host, sorted(delivery.left.get("sent", {}).keys() - {DATABASE}))
        except BaseException:
            master.close()
            raise

    def hang_up(future: Future[tuple[Master, Probe]]) -> None:
        if future.exception() is None:
            future.result()[0].close()

    futures = [background.start(reach, delivery) for delivery in errand.deliveries]
    try:
        yield futures
    finally:
        for future in futures:
            future.add_done_callback(hang_up)


def _push(errand: PushSession, last: Snapshot, reached: list[Future[tuple[Master, Probe]]]) -> Pushed:
    accounts = Accounts.of_machine()
    fingerprints, named = database.read_cache(errand.context.state.cache)
    watched = watch.effective_rules(errand.context, last.watched)
    found = scan.scan(watch.scan_targets(watched), last.entries, fingerprints, accounts)
    for delivery, future in zip(errand.deliveries, reached, strict=True):
        _meet(delivery, future)
    remote_check.flag_rewritten_history(errand)
    base = reconcile.base(errand, last)
    if base is not last:
        watched = watch.effective_rules(errand.context, base.watched)
        found = scan.scan(watch.scan_targets(watched), base.entries, {}, accounts)
    found.entries, still_owed = owed.keep_recorded(errand.context.state, found.entries, base.entries)
    found.entries, carried = owed.in_numbers_of(accounts, found.entries, still_owed, base.accounts)
    parents = scan.parents(watch.scan_targets(watched), accounts)
    wanted = snapshot.build_snapshot(errand.context, errand.host, base, watched, found, parents, accounts, carried)
    new = _commit_content(errand, base, wanted)
    changes = compare(base.entries, new.entries)
    tip, committed = _commit_database(errand, base, new, changes)
    _tidy(errand, found, new, fingerprints, named)
    errand.concerns += [*found.concerns, *(Concern(path, _OWED) for path in still_owed)]
    sent = errand.deliver(new, tip, ExitCode.CONCERNS if errand.concerns else ExitCode.DONE)
    errand.record()
    failures = tuple((one.name, one.failure) for one in errand.deliveries if one.failure)
    return Pushed(
        errand.host, tuple(one.label for one in errand.reached), tip, changes, len(new.entries), committed, sent,
        tuple(errand.concerns), tuple(errand.notices), failures,
    )  # fmt: skip


def _meet(delivery: MasterTarget, reached: Future[tuple[Master, Probe]]) -> None:
    """Take the connection; what hinders it is kept, so that the changes are committed all the same."""
    try:
        delivery.meet(*reached.result())
    except PachaError as error:
        delivery.failure = error


def _changed(base: Snapshot, new: Snapshot) -> dict[bytes, tuple[dict[bytes, Entry], dict[bytes, Entry]]]:
    """The watched paths whose content differs: what was below each, and what is."""
    both = {one.path: (base.below(one) if one.node is not None else {}, new.below(one)) for one in new.live}
    return {path: (old, now) for path, (old, now) in both.items() if commit.differing(old, now)}


def _commit_content(errand: PushSession, base: Snapshot, new: Snapshot) -> Snapshot:
    """Commit and send each watched path's content that differs; returns ``new`` as it was read."""
    entries, watched = dict(new.entries), []
    changed = _changed(base, new)
    if changed:
        errand.begin([one.repository for one in new.live if one.path in changed])
    for one in new.watched:
        if one.retired or one.path not in changed:
            watched.append(one)
            continue
        old, now = changed[one.path]
        done = _commit_one(errand, one, old, now)
        watched.append(replace(one, node=done.node))
        errand.concerns += done.concerns
        for path, entry in done.entries.items():
            entries.pop(path, None)
            if entry is not None:
                entries[path] = entry
    return replace(new, watched=tuple(watched), entries=entries)


def _commit_one(
    errand: PushSession, one: Watched, old: Mapping[bytes, Entry], now: Mapping[bytes, Entry]
) -> commit.Committed:
    repository = errand.repository(one.repository)
    errand.remember(pending=True)
    note = errand.note(f"{errand.host}: {escape(one.path)}: {compare(old, now)}")

    def made(theirs: tuple[str, ...]) -> commit.Committed:
        return commit.commit(repository, one, reconcile.parent(repository, one.node, theirs), old, now, note)

    is_first = one.node is None and not repository.heads()
    done = made(()) if is_first else None  # masters have nothing of it either, it seems
    for delivery in errand.reached:
        try:
            with delivery.talking(one.repository, new=one.node is None) as peer:
                theirs = peer.heads()
                peer.pull(repository, [node for node in theirs if not repository.has(node)])
                if theirs or done is None:
                    done = made(theirs)
                peer.push(repository, done.node)
            delivery.sent[one.repository] = done.node
            return done  # the other masters get it when all is committed
        except PachaError as error:
            errand.fail(delivery, error)
    return done or made(())


def _commit_database(errand: PushSession, base: Snapshot, new: Snapshot, changes: Changes) -> tuple[str, bool]:
    """Make pacha.db say ``new`` and commit a copy of it; returns the snapshot's node and whether it is new."""
    tip = errand.memory.get("tip")
    if tip is not None and new == base and not errand.memory.get("pending"):
        return str(tip), False
    errand.begin([])
    from pacha.store import hg

    errand.remember(pending=True)
    database.write(errand.context.state.database, new)
    image = database.image(errand.context.state.database)
    repository = errand.repository(DATABASE)
    parent = reconcile.parent(repository, tip, ())
    note = errand.note(f"{errand.host}: {changes}")
    blobs = {PACHA_DB: image}
    if changes != Changes():
        blobs[change_list.FILE] = change_list.encode(changes, image)
    node = repository.commit(parent, blobs, [], lambda name: hg.Blob(blobs[name]), note)
    errand.remember(tip=node, pending=None, **({"made": [node, note.at]} if node != parent else {}))
    return node, node != parent


def _tidy(
    errand: PushSession, found: scan.Scan, new: Snapshot, before: Mapping[bytes, scan.Fingerprint], named: set[bytes]
) -> None:
    """Remember what the scan saw, for the next one; say what was left out and was not said before."""
    errand.notices += [f"{escape(path)}: a socket; never kept" for path in found.left_out if path not in named]
    marks = {path: mark for path, mark in found.fingerprints.items() if path in new.entries}
    database.write_cache(errand.context.state.cache, before, marks, found.left_out)
