"""Composing a snapshot: what a scan found, in the terms of what was recorded before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pacha
from pacha.files import acl, owners
from pacha.files.metadata import Entry
from pacha.files.scan import Scan
from pacha.host.context import Context
from pacha.push import commit
from pacha.store.snapshot import READABLE_FROM, SCHEMA, Snapshot, Watched, grouped


def build_snapshot(
    context: Context,
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
        meta=_meta(context, host),
        watched=watched,
        entries=entries,
        parents={path: _settled(entry, base.parents.get(path)) for path, entry in parents.items()},
        accounts=(*_accounts(entries, parents, machine), *carried),
    )


def _meta(context: Context, host: str) -> dict[str, str]:
    return {
        "schema": str(SCHEMA),
        "readable_from": str(READABLE_FROM),
        "host": host,
        "machine": context.state.machine(),
        "frequency": f"{context.config.frequency:g}",
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
