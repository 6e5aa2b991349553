"""Snapshots as a host writes them: one with everything in it, and ones of some entries."""

from __future__ import annotations

import os
import random
from dataclasses import replace

from pacha.files.entry import Entry, Kind
from pacha.files.owners import Account
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at

META = {"schema": "1", "readable_from": "1", "host": "bar", "machine": "0123456789abcdef"}


def file(path: bytes, **values: object) -> Entry:
    seed = random.Random(path)
    entry = entry_at(
        path,
        mtime_ns=1_700_000_000_123_456_789 + seed.getrandbits(40),
        size=seed.getrandbits(16),
        sha256=seed.randbytes(32),
        stored=path[3:],
    )
    return entry._replace(**values)  # type: ignore[arg-type]


def snapshot(*entries: Entry, **values: object) -> Snapshot:
    made = Snapshot(
        META,
        (Watched(path=b"/w", single=False, repository="w", node="a" * 40),),
        {entry.path: entry for entry in entries},
    )
    return replace(made, **values)  # type: ignore[arg-type]


EVERYTHING = snapshot(
    Entry(
        path=b"/w",
        kind=Kind.DIRECTORY,
        mode=0o3755,
        uid=0,
        gid=2**32 - 2,
        owner=b"root",
        group=None,
        mtime_ns=-1,
        flags=0x10,
    ),
    file(
        b"/w/f\xff\n",
        mode=0o7777,
        size=2**40,
        link_group=3,
        parts=12,
        stored=b".pacha%f\xff%0A",
        holes=((0, 4096), (8192, 1)),
        project=2**32 - 1,
    ),
    file(b"/w/x", xattrs=((b"security.capability", bytes(20)), (b"user.\xff", b"")), size=0, mtime_ns=2**62),
    Entry(
        path=b"/w/l",
        kind=Kind.SYMLINK,
        mode=0o777,
        uid=1,
        gid=1,
        owner=b"d\xff",
        group=b"",
        mtime_ns=1,
        target=b"../\xff",
        stored=b"l",
    ),
    entry_at(b"/w/c", Kind.CHARACTER, mode=0o600, owner=None, group=None, device=os.makedev(4095, 70000)),
    entry_at(b"/w/p", Kind.FIFO, mode=0o600, owner=None, group=None),
    watched=(
        Watched(
            path=b"/w",
            single=False,
            repository="w",
            node="a" * 40,
            exclude=("*.o", "/w/caf\u00e9/"),
            one_filesystem=True,
        ),
        Watched(path=b"/up/x", single=True, repository="x"),
        Watched(path=b"/old", single=True, repository="old", node=None, exclude=(), one_filesystem=False, retired=True),
    ),
    parents={b"/up": entry_at(b"/up", Kind.DIRECTORY)},
    accounts=(
        Account(name=b"adm", is_group=True, number=4),
        Account(
            name=b"caf\xff",
            is_group=False,
            number=1000,
            gid=1000,
            home=b"/home/\xff",
            login_shell=b"/bin/sh",
            groups=(b"adm", b"x\xff"),
        ),
    ),
)
