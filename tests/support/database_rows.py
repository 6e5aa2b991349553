"""The columns of pacha.db and values for them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pacha.errors import DamagedError
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Account
from pacha.store import database, rows, untrusted_db
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at

VALUE = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from([-1, 0, 1, 0o7777, 2**31, 2**32 - 1]), st.floats(),
    st.text(max_size=8), st.binary(max_size=40), st.sampled_from([b"/srv/w/x", b"/etc/fstab", b"/srv",
    b"/etc/shadow", b"..", "f", "d", "[]", ""]),
)  # fmt: skip


COLUMNS = [
    *(("entry", name) for name in rows.COLUMNS),
    *(("parent", name) for name in rows.COLUMNS if name != rows.SEALED),
    *(("watched", name) for name in ("path", "kind", "repository", "node", "exclude", "one_filesystem", "retired")),
    *(("account", name) for name in ("name", "is_group", "number", "gid", "home", "shell", "groups")),
    *(("meta", name) for name in ("key", "value")),
]


def whole() -> bytes:
    """A good pacha.db, made once: the examples below are many."""
    if not WHOLE:
        path = os.path.join(os.environ["TMPDIR"], "whole.db")
        database.write(path, good())
        WHOLE.append(Path(path).read_bytes())
    return WHOLE[0]


def good() -> Snapshot:
    entries = [
        entry_at(b"/srv/w", Kind.DIRECTORY),
        file(b"/srv/w/f", xattrs=((b"user.a", b"1"),)),
        entry_at(b"/srv/w/l", Kind.SYMLINK, mode=0o777, owner=None, group=None, target=b"f", stored=b"l"),
        entry_at(b"/srv/w/c", Kind.CHARACTER, mode=0o600, owner=None, group=None, device=259),
        file(b"/srv/w/s", sealed=b"d" * 32 + b"key-id\0\0"),
        file(b"/etc/fstab"),
    ]
    watched = (
        Watched(path=b"/srv/w", single=False, repository="w", node="a" * 40, exclude=("*.o", "/srv/w/x/")),
        Watched(path=b"/etc/fstab", single=True, repository="fstab", node="b" * 40),
        Watched(
            path=b"/srv/w/old",
            single=False,
            repository="old",
            node=None,
            exclude=(),
            one_filesystem=False,
            retired=True,
        ),
    )
    parents = [entry_at(path, Kind.DIRECTORY) for path in (b"/srv", b"/etc")]
    accounts = (
        Account(name=b"staff", is_group=True, number=50),
        Account(
            name=b"a", is_group=False, number=1000, gid=50, home=b"/home/a", login_shell=b"/bin/sh", groups=(b"staff",)
        ),
    )
    return Snapshot(META, watched, {e.path: e for e in entries}, {e.path: e for e in parents}, accounts)


WHOLE: list[bytes] = []


META = {"schema": "1", "readable_from": "1", "host": "bar", "machine": "0123456789abcdef", "version": "1.0"}


def file(path: bytes, **values: object) -> Entry:
    entry = entry_at(path, size=5, sha256=b"s" * 32, stored=path.rpartition(b"/")[2])
    return entry._replace(**values)  # type: ignore[arg-type]


def execute(path: str, *statements: str, values: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement, values)
        connection.commit()


def refused(path: str) -> DamagedError:
    with pytest.raises(DamagedError) as caught:
        untrusted_db.read(path)
    error = caught.value
    assert error.message and error.hint
    assert all(text.isprintable() for text in (error.message, error.why, error.hint)), error.why
    return error
