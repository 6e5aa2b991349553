"""Connect to the masters of a push while this machine is scanned, and check that they are where they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from pacha.config.keys import STANDALONE
from pacha.errors import PachaError, UnreachableError
from pacha.files.mount_points import MountPoints
from pacha.files.names import DATABASE
from pacha.host.masters import connect
from pacha.push.session import PushSession
from pacha.push.target import MasterTarget
from pacha.system import background
from pacha.system.presence import is_absent
from pacha.text import escape
from pacha.wire.master import Master, Probe

_ELSEWHERE = "pacha.hosts.path is {own}, but this key leads to {theirs} on {label}: there it is kept"

#: The connection to a master, and a first probe of it.
_Connection = Future[tuple[Master, Probe]]


@contextmanager
def connecting(session: PushSession) -> Iterator[list[_Connection]]:
    """Connect to every master in parallel to the body; close the connections after it, late ones when they come."""
    connections = [background.start(_connect, session, target) for target in session.targets]
    try:
        yield connections
    finally:
        for target in session.targets:
            if target.master:
                target.conversations.abandon()
        for connection in connections:
            connection.add_done_callback(_hang_up)


def _connect(session: PushSession, target: MasterTarget) -> tuple[Master, Probe]:
    master = connect(session.context, target.name)
    try:
        return master, master.probe(session.host, sorted(target.last_known.sent.keys() - {DATABASE}))
    except BaseException:
        master.close()
        raise


def _hang_up(connection: _Connection) -> None:
    if connection.exception() is None:
        connection.result()[0].close()


def attach(session: PushSession, connections: list[_Connection]) -> None:
    """Attach the connections to their targets. A failure is kept, so that the changes are still committed.

    Tells which master keeps this host elsewhere than configured.
    """
    for target, connection in zip(session.targets, connections, strict=True):
        try:
            master, probe = connection.result()
            target.attach(master, probe)
            _check_volume(session, target)
            theirs, own = master.hosts_path, session.context.config.hosts_path
            if own != theirs and not target.last_known.sent:  # told at the first push to it: its word counts
                session.notices.append(_ELSEWHERE.format(own=escape(own), label=target.label, theirs=escape(theirs)))
        except PachaError as error:
            target.failure = error


def _check_volume(session: PushSession, target: MasterTarget) -> None:
    """Raise UnreachableError for a local master whose volume is not mounted: the folder below it would be filled."""
    hosts_path = session.context.config.hosts_path
    folder = os.path.join(hosts_path, os.fsencode(session.host))
    if target.name != STANDALONE or not target.last_known.sent or not is_absent(folder):
        return
    if volumes := MountPoints.of_machine(session.state.mounted).missing_above(hosts_path):
        raise UnreachableError(
            f"The volume of {target.label} is not mounted.",
            f"{escape(max(volumes, key=len))} was a mount point at the last push",
            f"Mount it, and run this again; if it is gone for good: pacha add-host {session.host}",
            code="master-not-mounted",
        )
