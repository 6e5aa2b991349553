"""Read the last snapshot, scan the watched paths, describe the machine; remember the scan for the next push."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import replace

from pacha.config.keys import STANDALONE
from pacha.errors import Concern, DamagedError, PachaError
from pacha.files import scan as files
from pacha.files.amended import Amended
from pacha.files.listing import Fingerprints
from pacha.files.mount_points import MountPoints
from pacha.files.scanned import Scan
from pacha.host import owed, packages, watch
from pacha.machine import facts
from pacha.push import sealing
from pacha.push.session import PushSession
from pacha.store import database, scan_cache
from pacha.store.companions import MACHINE
from pacha.store.recorded import Recorded, summary_of
from pacha.store.snapshot import Snapshot
from pacha.system import activity, background, limited_output
from pacha.text import escape

#: How often, and for how many seconds each, to wait for the end of a program that is no longer needed.
_TRIES, _SECONDS = 20, 0.05


def read_last_snapshot(session: PushSession, accept: bool) -> Snapshot:
    """The last snapshot made here. Raises PachaError if there must not be a next one.

    ``accept`` gives up what is owed, the names of accounts that are no more, and volumes that are not mounted; it
    leaves interrupted rebuilds as they are.
    """
    context = session.context
    last = database.read_lazily(context.state.database)
    if not accept:
        _check_rebuilt(session, last)
    if not last.live:
        hint = watch.first_steps(context.hostname())
        raise PachaError("Nothing is watched yet.", "", hint, code="nothing-watched")
    for watched in last.live:
        watch.check_own(context, watched.path)  # the configuration may have changed since it was watched
    if accept:  # the files are taken as they are
        interrupted = owed.interrupted_rebuilds(context.state, last)
        accepted = (*session.state.accepted, *(rebuild.id for rebuild in interrupted))
        session.update(accepted=accepted, owed={}, services_owed=(), choices={}, mounted=())
    session.recorded = () if accept else last.accounts
    session.sealing = sealing.begin(session, last, accept)
    return last


def _check_rebuilt(session: PushSession, last: Snapshot) -> None:
    """Raise PachaError after an interrupted rebuild, whose half-done state would be recorded."""
    if interrupted := owed.interrupted_rebuilds(session.context.state, last):
        accept = "; if the files are meant to be as they are: pacha push --accept" if last.live else ""
        raise PachaError(
            "A rebuild of this machine was not finished.",
            "what it did not put back would be recorded as gone",
            interrupted[-1].cure + accept,
            code="rebuild-unfinished",
        )


def scan(session: PushSession, last: Snapshot) -> Snapshot:
    """Scan what is watched in ``last``; returns ``last``, with its entries read if much differs from them."""
    state = session.context.state
    session.fingerprints = scan_cache.read(state.cache, state.database)
    session.fingerprints.are_recorded &= _are_as_recorded(session, last)
    session.watched = watch.effective_rules(session.context, last.watched)
    targets = watch.scan_targets(session.watched)
    session.scan = Scan()
    activity.begin("looking for what changed", counter=lambda: session.scan.count)
    known, remembered = sealing.as_known(session.sealing, last, session.fingerprints)
    files.scan(
        targets, known, remembered, session.accounts, session.state.mounted, session.scan, session.sealing.secrets
    )
    scanned = session.scan.entries
    differs_little = isinstance(scanned, Amended) and scanned.base is last.entries
    if isinstance(last.entries, Recorded) and scanned is not last.entries and not differs_little:
        return replace(last, entries=last.entries.entries)
    return last


def _are_as_recorded(session: PushSession, last: Snapshot) -> bool:
    """Whether the last scan saw the same as the entries of ``last``, and their owners still have the same names."""
    users, groups = session.accounts.user_name, session.accounts.group_name
    return not (session.state.owed or session.state.reread) and all(
        (owner, group) == (users(uid), groups(gid)) for uid, owner, gid, group in summary_of(last.entries).owners
    )


@contextmanager
def asking_for_packages(session: PushSession, last: Snapshot) -> Iterator[Future[packages.Told]]:
    """Ask for the packages while the body scans and commits what is watched in ``last``: see ``session.told``.

    A body that fails or is interrupted ends what was asked.
    """
    roots = [watched.path for watched in last.live]
    told = background.start(packages.tell, session.context.state, sealed=session.context.config.seal, roots=roots)
    session.told = told.result
    try:
        yield told
    finally:
        for _ in range(0 if told.done() else _TRIES):  # it may just begin to ask
            limited_output.end_all()
            if wait([told], _SECONDS).done:
                break


def describe_machine(session: PushSession) -> dict[str, bytes]:
    """The text of what this machine is besides its files and packages, by name, as its readers accept it."""
    text = facts.encode(facts.collect())
    try:
        facts.decode(text)
    except DamagedError as error:
        session.concerns.append(Concern(b"/sys", f"what this machine is cannot be recorded ({error.why})"))
        return {}
    return {MACHINE: text}


def remember_scan(session: PushSession, *, written: bool) -> None:
    """Remember the fingerprints for the next scan, and add a notice for what is left out and was not before.

    The fingerprints are not needed after that: pacha.db has all that was scanned. Where something is doubtful it may
    have more, for example owed paths that are not on the disk; the next scan then compares with all its entries.
    """
    scanned = session.scan
    mounted = tuple(sorted(scanned.mounted | _volumes_of_masters(session)))
    if mounted != session.state.mounted:
        session.update(mounted=mounted)
    before = session.fingerprints
    new_ones = [(path, what) for path, what in scanned.left_out.items() if before.left_out.get(path) != what]
    session.notices += [f"{escape(path)} is left out: {what}" for path, what in new_ones]
    state, now = session.context.state, scanned.fingerprints
    differs = (now.listings, now.left_out) != (before.listings, before.left_out)
    if written or differs or not (before.are_recorded and now.are_recorded):
        scan_cache.write(state.cache, before, now, state.database)
    session.fingerprints, scanned.listings = Fingerprints(), {}


def _volumes_of_masters(session: PushSession) -> frozenset[bytes]:
    """The mount points, of now and not mounted any more, on which a master that is a folder of this machine lies."""
    if STANDALONE not in session.context.config.masters():
        return frozenset()
    points, path = MountPoints.of_machine(session.state.mounted), session.context.config.hosts_path
    return points.missing_above(path) | points.met(path, ())
