"""Erase content from a host's history on this master, and record who did it, when and why.

Root works as the account that owns the folder, which may hold anything. First the record is written, then it is carried
out: after a kill, the next run carries out what is recorded. No request of a host leads here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pacha.errors import PachaError
from pacha.host.context import check_host
from pacha.server import moving, purge_choice
from pacha.server.host_account import load_modules
from pacha.server.host_directory import HostDirectory
from pacha.server.host_history import HostHistory
from pacha.server.purge_choice import Choice, PurgeOrder
from pacha.store import hg, purges
from pacha.store.purges import Erased, Purge
from pacha.system.child import run_as
from pacha.system.login import login_name
from pacha.system.memory_limit import limit_memory
from pacha.text import escape
from pacha.wire import message


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPath:
    """What a purge erases of ``path``: how often its content came in, its bytes, when first and last, who pushed it."""

    path: str
    count: int
    size: int
    first: float
    last: float
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPurge:
    """What a purge will do, as seen ``at`` that time (seconds since the epoch); ``mark`` identifies it.

    ``newest``: paths whose content in the newest snapshot was meant, too; ``unfinished``: repositories in which a
    killed purge left something; ``unrecorded``: how many revisions have no content although no purge is recorded, as on
    a master to which the host pushed them so; ``unreadable``: snapshots that could not be looked at; ``unknown``: paths
    at which none has a file. All texts are safe to print.
    """

    mark: str
    at: float
    paths: tuple[PlannedPath, ...]
    newest: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unrecorded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeResult:
    """How many revisions lost their content, and the bytes of the host's folder before and after.

    ``unreadable``: snapshots that could not be looked at; safe to print.
    """

    erased: int
    before: int
    after: int
    unreadable: tuple[str, ...] = ()


def plan(hosts_path: bytes, host: str, order: PurgeOrder) -> PlannedPurge:
    """What ``order`` would erase from the history of ``host``. Changes nothing. Raises PachaError."""
    now = time.time()
    answer = _apart(hosts_path, host, lambda folder: _planned(folder, order, now))
    return PlannedPurge(
        mark=message.digest(answer["mark"]),
        at=now,
        paths=tuple(map(_believed, answer["paths"])),
        unrecorded=message.count(answer["unrecorded"]),
        **{key: _texts(answer[key]) for key in ("newest", "unfinished", "unreadable", "unknown")},
    )


def carry_out(
    hosts_path: bytes, host: str, order: PurgeOrder, planned: PlannedPurge | None = None, *, limits: str, why: str
) -> PurgeResult:
    """Record the purge and do it, exactly as ``planned`` (None: whatever ``order`` erases by now).

    ``limits``: the options that were given, as words. Raises PachaError, also where somebody pushed meanwhile: then
    nothing was done.
    """
    purge = Purge(at=float(int(time.time())), by=me(), why=why, paths=order.paths, limits=limits)
    answer = _apart(hosts_path, host, lambda folder: _carried_out(folder, order, purge, planned))
    numbers = {key: message.count(answer[key]) for key in ("erased", "before", "after")}
    return PurgeResult(**numbers, unreadable=_texts(answer["unreadable"]))


def read_record(folder: HostDirectory) -> tuple[Purge, ...]:
    """What was purged in the folder of a host. Raises DamagedError, PachaError."""
    text = folder.purged()
    return purges.decode(text) if text else ()


def _apart(hosts_path: bytes, host: str, work: Any) -> dict[str, Any]:
    """The value (JSON) of ``work`` on the host's folder, as the account that owns it."""
    folder = HostDirectory(hosts_path, check_host(host))
    owner = moving.owner_of(hosts_path, host).st_uid
    account = moving.account_of(owner)
    if account is None:
        raise PachaError(
            f"{escape(folder.path)} belongs to no account.",
            f"its owner is user {owner}",
            "Give it to the account of the host: chown -R",
            code="folder-of-no-account",
        )
    load_modules()

    def limited() -> Any:
        os.umask(0o077)
        with limit_memory(), hg.frequent_gc():
            return work(folder)

    return dict(run_as(account, limited))


def _planned(folder: HostDirectory, order: PurgeOrder, now: float) -> dict[str, Any]:
    history = HostHistory(folder)
    chosen = purge_choice.choose(history, order, now)
    recorded = read_record(folder)
    left, unrecorded = list(purge_choice.unfinished(history, recorded)), _unrecorded(order, chosen, recorded)
    if not left and not unrecorded:
        purge_choice.check_newest(chosen)
    rows = sorted(chosen.paths.values(), key=lambda row: row.path)
    return {
        "mark": _mark(chosen),
        "paths": [
            [os.fsdecode(row.path), len(row.brought_by), row.size, row.first, row.last, row.users] for row in rows
        ],
        "newest": [os.fsdecode(path) for path in sorted(chosen.newest)],
        "unfinished": left,
        "unrecorded": sum(len(nodes) for names in unrecorded.values() for nodes in names.values()),
        "unreadable": _shortened(chosen),
        "unknown": [os.fsdecode(path) for path in chosen.unknown],
    }


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Texts from a process of the host's account, safe to print."""
    return tuple(escape(str(value)) for value in values)


def _believed(row: Sequence[Any]) -> PlannedPath:
    """A row from a process of the host's account, with checked numbers and safe text."""
    path, count, size, first, last, users = row
    return PlannedPath(
        path=escape(str(path)), count=message.count(count), size=message.count(size), first=message.seconds(first),
        last=message.seconds(last), users=tuple(escape(str(user)) for user in users),
    )  # fmt: skip


def _mark(chosen: Choice) -> str:
    nodes = purges.encode_revisions(purges.united([chosen.revisions]))
    return hashlib.sha256(json.dumps(nodes, sort_keys=True).encode()).hexdigest()


def _carried_out(
    folder: HostDirectory, order: PurgeOrder, purge: Purge, planned: PlannedPurge | None
) -> dict[str, Any]:
    """Choose again while nobody can push a snapshot, record it, and carry out all that is recorded."""
    looked_at = HostHistory(folder).watched  # before the lock: a long history takes as long as pushes wait for it
    history = HostHistory(folder, looked_at)
    before = _size(folder)
    with history.database.locked():
        chosen = purge_choice.choose(history, order, planned.at if planned else time.time())
        if planned and _mark(chosen) != planned.mark:
            raise PachaError(
                "Nothing was purged.",
                "the history has changed since it was looked at",
                "Run this again.",
                code="purge-overtaken",
            )
        recorded = read_record(folder)
        unrecorded = _unrecorded(order, chosen, recorded)
        if chosen.revisions or unrecorded or _is_to_be_recorded(order, purge, recorded):
            recorded = purges.joined(recorded, [_completed(purge, order, chosen, unrecorded)])
            folder.record_purged(purges.encode_all(recorded))
        erased = _erase(history, recorded)
    if not order.older_than:
        _remove_temporary(folder)  # only what is new is in there
    return {"erased": erased, "before": before, "after": _size(folder), "unreadable": _shortened(chosen)}


def _is_to_be_recorded(order: PurgeOrder, purge: Purge, recorded: Sequence[Purge]) -> bool:
    """Whether to record it even if it erases nothing here: the host and the other masters follow the record."""
    if order.older_than:
        return all(each.identity != purge.identity for each in recorded)
    return order.is_everywhere and not any(each.places and each.paths == order.paths for each in recorded)


def _shortened(chosen: Choice) -> list[str]:
    return [node[:12] for node in chosen.unreadable]


def _unrecorded(order: PurgeOrder, chosen: Choice, recorded: Sequence[Purge]) -> purges.Revisions:
    """The chosen revisions that have no content any more, although no recorded purge erased them.

    None for a purge by age: what an earlier one erased may have left the record, and stays out of it.
    """
    erased = Erased.by(recorded)
    unrecorded = dict[str, dict[bytes, frozenset[str]]]()
    if order.older_than:
        return unrecorded
    for repository, names in chosen.gone.items():
        for name, nodes in names.items():
            if left := frozenset(node for node in nodes if not erased.accepts(repository, name, node)):
                unrecorded.setdefault(repository, {})[name] = left
    return unrecorded


def _completed(purge: Purge, order: PurgeOrder, chosen: Choice, unrecorded: purges.Revisions) -> Purge:
    if not order.is_everywhere:
        return replace(purge, revisions=purges.united([chosen.revisions, unrecorded]))
    places = {name: tuple(sorted(set(each))) for name, each in chosen.places.items()}  # whatever was there
    return replace(purge, revisions=purges.united([chosen.revisions]), places=places)


def _erase(history: HostHistory, recorded: Sequence[Purge]) -> int:
    """Carry out all that is recorded; what was done before takes no time."""
    erased = 0
    for name, revisions in purges.merged(recorded).items():
        repository = history.repository(name)
        if repository is not None:
            erased += repository.erase(revisions)
    return erased


def _remove_temporary(folder: HostDirectory) -> None:
    """Remove what interrupted first pushes left: those send it again."""
    for name in os.listdir(folder.path):
        if name.startswith(b".new-"):
            shutil.rmtree(os.path.join(folder.path, name), ignore_errors=True)


def _size(folder: HostDirectory) -> int:
    """The bytes that the host's folder takes on the disk."""
    total = 0
    for where, _, files in os.walk(folder.path):
        for file in files:
            total += os.lstat(os.path.join(where, file)).st_blocks * 512
    return total


def me() -> str:
    """Who runs this, and where, safe to print."""
    return escape(f"{login_name()}@{os.uname().nodename}")
