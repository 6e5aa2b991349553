"""retire: put a host away on this master, so that all of it can come back exactly; and take that back.

Its folder moves into the archive (``retired``); that one rename decides. Before it the host is as it was, after it the
host is retired, and a second run does what is left: take its key out, move its hooks and its last check.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass

from pacha.errors import PachaError
from pacha.host.context import check_host
from pacha.server import host_keys, moving, retired
from pacha.server.purge import me
from pacha.server.retired import Record
from pacha.server.standstill import standstill
from pacha.text import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRetirement:
    """What retiring ``host`` moves and takes out: its folder, its ``account`` ('': none), how many lines of its keys.

    ``other_keys``: how many keys of that account's authorized_keys are not Pacha's; ``half``: an earlier run was
    interrupted.
    """

    host: str
    path: bytes
    archive: bytes
    account: str
    keys: int
    other_keys: int
    half: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A host that is back: its folder, its ``account`` ('': it is gone, so no key was let in), lines of its keys."""

    path: bytes
    account: str
    keys: int
    lost_keys: int


def plan(hosts_path: bytes, host: str) -> PlannedRetirement:
    """What retiring ``host`` would do. Changes nothing. Raises PachaError."""
    check_host(host)
    record = _record_of_half(hosts_path, host)
    status = None if record else moving.owner_of(hosts_path, host)
    user = (
        moving.account_of(record.uid, record.account) if record else moving.account_of(status.st_uid if status else 0)
    )
    keys, others = host_keys.of_account(user, host, hosts_path) if user else ([], 0)
    return PlannedRetirement(
        host=host, path=os.path.join(hosts_path, os.fsencode(host)), archive=retired.path_of(hosts_path, host),
        account=user.pw_name if user else "", keys=len(keys), other_keys=others, half=record is not None,
    )  # fmt: skip


def retire(hosts_path: bytes, host: str, why: str = "", *, now: bool = False) -> None:
    """Retire ``host``, or end what a killed run began; ``now``: cut off a push that is at work. Raises PachaError."""
    check_host(host)
    with moving.explained(host), ExitStack() as held:
        if not _record_of_half(hosts_path, host):
            _put_away(hosts_path, host, why, now=now)
        archive = held.enter_context(retired.opened(hosts_path, host))
        record = retired.read(archive)
        user = moving.account_of(record.uid, record.account) if record else None
        if user:
            host_keys.take_out(user, host, hosts_path)
        moving.move_rest(moving.live(hosts_path, host, held), moving.archived(archive))


def undo(hosts_path: bytes, host: str) -> Returned:
    """Bring a retired host back as it was: key, hooks, last check, and then its folder. Raises PachaError."""
    check_host(host)
    with moving.explained(host), ExitStack() as held:
        if not os.path.lexists(retired.path_of(hosts_path, host)):
            raise _not_retired(hosts_path, host)
        archive = held.enter_context(retired.opened(hosts_path, host))
        there, here = moving.archived(archive), moving.live(hosts_path, host, held, make=True)
        if there.folder.is_there() and here.folder.is_there():
            raise _in_the_way(hosts_path, host)
        if not there.folder.is_there() and not here.folder.is_there():
            raise _not_retired(hosts_path, host)
        record = retired.read(archive)
        returned = _let_in(os.path.join(hosts_path, os.fsencode(host)), record)
        if there.folder.is_there():
            moving.move_rest(there, here)
            moving.move_folder(there, here)
        retired.remove(hosts_path, host)
    return returned


def _record_of_half(hosts_path: bytes, host: str) -> Record | None:
    """The record of a host whose folder is in the archive already, None for any other."""
    if not retired.is_retired(hosts_path, host):
        return None
    with moving.explained(host), retired.opened(hosts_path, host) as archive:
        return retired.read(archive) if moving.archived(archive).folder.is_there() else None


def _put_away(hosts_path: bytes, host: str, why: str, *, now: bool) -> None:
    """Write the record, then move the folder while nobody adds to it. Raises OSError, PachaError."""
    status = moving.owner_of(hosts_path, host)
    user = moving.account_of(status.st_uid)
    keys = host_keys.of_account(user, host, hosts_path)[0] if user else []
    record = Record(
        host=host, at=float(int(time.time())), by=me(), why=why, account=user.pw_name if user else "",
        uid=status.st_uid, keys=tuple(line.decode("latin-1") for line in keys),
    )  # fmt: skip
    with ExitStack() as held:
        archive = held.enter_context(retired.opened(hosts_path, host, make=True))
        there = moving.archived(archive)
        if there.folder.is_there():
            raise _in_the_way(hosts_path, host)
        retired.write(archive, record)
        try:
            here = moving.live(hosts_path, host, held)
            with nullcontext() if now else standstill(here.folder):
                moving.move_folder(here, there)
        except BaseException:
            if not there.folder.is_there():
                retired.remove(hosts_path, host)
            raise


def _let_in(path: bytes, record: Record | None) -> Returned:
    """Put the lines of the keys back, if the account is still the one it was."""
    keys = [line.encode("latin-1") for line in record.keys] if record else []
    user = moving.account_of(record.uid, record.account) if record else None
    if user is None:
        return Returned(path=path, account="", keys=0, lost_keys=len(keys))
    host_keys.check_free(user, keys)
    host_keys.put_back(user, keys)
    return Returned(path=path, account=user.pw_name, keys=len(keys), lost_keys=0)


def _in_the_way(hosts_path: bytes, host: str) -> PachaError:
    return PachaError(
        f"There are two hosts '{host}', one of them retired.",
        f"{escape(os.path.join(hosts_path, os.fsencode(host)))} was made after it was retired",
        f"Give the new one another name first: pacha rename {host} NEW",
        code="retired-twice",
    )


def _not_retired(hosts_path: bytes, host: str) -> PachaError:
    return PachaError(
        f"There is no retired host '{host}' in {escape(hosts_path)}.",
        "",
        "See: pacha retire --list",
        code="not-retired",
    )
