"""Composing a snapshot: what a scan found, in the terms of what was recorded before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pacha
from pacha.actions import commit
from pacha.actions.here import Here
from pacha.files import acl, owners
from pacha.files.exclude import Rules
from pacha.files.metadata import Entry
from pacha.files.scan import Scan, Watch
from pacha.store.snapshot import READABLE_FROM, SCHEMA, Snapshot, Watched, grouped


def by_rules(here: Here, watched: Iterable[Watched]) -> tuple[Watched, ...]:
    """``watched`` with the configuration's exclude rules, where it gives any; else with their own.

    After a rebuild a ten-line configuration must not bring in what had been left out.
    """
    given = {key for key, _ in here.config.given}
    changes: dict[str, object] = {}
    if "pacha.exclude" in given:
        changes["exclude"] = here.config.exclude
    if "pacha.one.filesystem" in given:
        changes["one_filesystem"] = here.config.one_filesystem
    return tuple(one if one.retired else replace(one, **changes) for one in watched)  # type: ignore[arg-type]


def watches(watched: Iterable[Watched]) -> list[Watch]:
    """``watched`` as the scan wants them."""
    return [
        Watch(one.path, one.single, Rules.of(one.exclude), one.one_filesystem)
        for one in sorted(watched, key=lambda w: w.path)
        if not one.retired
    ]


def compose(
    here: Here,
    host: str,
    base: Snapshot,
    watched: tuple[Watched, ...],
    found: Scan,
    parents: Mapping[bytes, Entry],
    machine: owners.Accounts,
    carried: tuple[owners.Account, ...] = (),
) -> Snapshot:
    """The snapshot that ``found`` makes on top of ``base``; files still to be read have no sha256.

    ``machine`` are the accounts by which owners were named, ``carried`` more that are recorded all the same.
    """
    entries: dict[bytes, Entry] = {}
    live = {one.path: one for one in watched if not one.retired}
    for top, below in grouped(live.values(), found.entries).items():
        for path, entry in below.items():
            known = base.entries.get(path)
            if known is not entry or entry.stored is None:
                if known is not None and known.parts and not entry.parts:
                    entry = replace(entry, parts=known.parts)
                entry = commit.stored(live[top], entry)
            entries[path] = entry
    return Snapshot(
        meta=_meta(here, host),
        watched=watched,
        entries=entries,
        parents={path: _settled(entry, base.parents.get(path)) for path, entry in parents.items()},
        accounts=(*_accounts(entries, parents, machine), *carried),
    )


def _meta(here: Here, host: str) -> dict[str, str]:
    return {
        "schema": str(SCHEMA),
        "readable_from": str(READABLE_FROM),
        "host": host,
        "machine": here.state.machine(),
        "frequency": f"{here.config.frequency:g}",
        "version": pacha.__version__,
    }


def _settled(entry: Entry, before: Entry | None) -> Entry:
    """A parent's time moves with every neighbour that comes and goes: alone it is no change."""
    if before is not None and replace(entry, mtime_ns=before.mtime_ns) == before:
        return before
    return entry


def _accounts(
    entries: Mapping[bytes, Entry], parents: Mapping[bytes, Entry], machine: owners.Accounts
) -> tuple[owners.Account, ...]:
    """The accounts behind every owner met, in ACLs too, so that a fresh machine can be told how to make them."""
    every = [*entries.values(), *parents.values()]
    users = {entry.owner for entry in every}
    groups = {entry.group for entry in every}
    for xattrs in {entry.xattrs for entry in every if entry.xattrs}:
        uids, gids = acl.numbers(xattrs)
        users |= {machine.user_name(uid) for uid in uids}
        groups |= {machine.group_name(gid) for gid in gids}
    return owners.describe(users - {None}, groups - {None})  # type: ignore[arg-type]
