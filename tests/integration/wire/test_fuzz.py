"""Fuzzing what reads hostile bytes: the receiver of scp, and the reader of a pacha.db with its validator.

Anything but a declared error is a failure. Each goes on for ``PACHA_MINUTES`` (some seconds if it says nothing);
``PACHA_SEED`` repeats a run, and the seed is printed.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pacha.errors import DamagedError
from pacha.files import paths
from pacha.store import untrusted_db
from pacha.store.snapshot import Snapshot
from pacha.wire.scp import Limits, receive
from tests.support.amount import amount
from tests.support.database_rows import COLUMNS, VALUE, whole
from tests.support.scp_script import Inbox, Script

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]
SECONDS = amount("PACHA_MINUTES", sample=5 / 60, soak=30) * 60
SEED = int(os.environ.get("PACHA_SEED") or random.randrange(2**32))
QUICK = settings(
    max_examples=200, database=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)  # fmt: skip

NAMES = st.sampled_from([b"data", b"a.i", b"00changelog.i", b"requires", b"..", b"a/b", b"\0", b"x" * 300]) | st.binary(
    max_size=5
)
SIZES = st.sampled_from([b"0", b"1", b"7", b"-1", b"9223372036854775808", b"99999999999999999999", b"0x1", b"1e3"])
LINES = st.builds(
    lambda kind, mode, size, name: b"%b%b %b %b\n" % (kind, mode, size, name),
    st.sampled_from([b"C", b"D", b"T", b"c"]), st.sampled_from([b"0644", b"7777", b"0", b"9999"]), SIZES, NAMES,
)  # fmt: skip
PIECES = st.one_of(
    LINES,
    st.sampled_from([b"E\n", b"\0", b"\x01trouble\n", b"\x02", b"x\0", b"1234567\0", b"\n", b"E"]),
    st.binary(max_size=20),
)
#: What a real sender sends, to be bent.
GOOD = b"D0755 0 store\nC0644 7 requires\n1234567\0D0755 0 data\nC0644 1 a.i\nx\0E\nC0644 0 00changelog.i\n\0E\n"
BENT = st.builds(
    lambda place, length, new: GOOD[:place] + new + GOOD[place + length :],
    st.integers(0, len(GOOD)), st.integers(0, 30), st.binary(max_size=30) | PIECES,
)  # fmt: skip
STREAMS = st.lists(PIECES, max_size=40).map(lambda pieces: b"D0755 0 store\n" + b"".join(pieces)) | BENT | st.binary()


@given(STREAMS, st.sampled_from([1, 3, 1 << 20]), st.booleans())
@QUICK
def one_stream(stream: bytes, piece: int, wanted: bool) -> None:
    with Inbox() as box:
        try:
            receive(
                Script(stream, piece), box.fd, top=b"store", accept=lambda path, is_dir: wanted or path == b"data",
                limits=Limits(1000, 20, 5, line=400), on_file=lambda received: None,
            )  # fmt: skip
        except DamagedError as error:
            assert (error.message + error.why + error.hint).isprintable()
        assert os.listdir(box.around) == ["inbox"]
        assert sum(path.is_file() and path.stat().st_size for path in box.path.rglob("*")) <= 1000


CHANGES = st.lists(st.tuples(st.sampled_from(COLUMNS), st.integers(1, 5), VALUE), max_size=4)
FLIPS = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=6)
CUTS = st.none() | st.integers(0, 2**20)


@given(CHANGES, FLIPS, CUTS)
@QUICK
def one_database(
    changes: list[tuple[tuple[str, str], int, Any]], flips: list[tuple[int, int]], cut: int | None
) -> None:
    path = os.path.join(os.environ["TMPDIR"], "fuzzed.db")
    Path(path).write_bytes(whole())
    _change(path, changes)
    data = bytearray(Path(path).read_bytes())
    for place, value in flips:
        data[place % len(data)] = value
    Path(path).write_bytes(data if cut is None else data[: cut % len(data)])
    try:
        _check(untrusted_db.read(path))
    except DamagedError as error:
        assert (error.message + error.why + error.hint).isprintable()


def _change(path: str, changes: list[tuple[tuple[str, str], int, Any]]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for (table, column), number, value in changes:
            try:
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = {number}", (value,))
            except (sqlite3.Error, UnicodeEncodeError):
                continue  # meta has no rowid, text has no surrogates
        connection.commit()


def _check(found: Snapshot) -> None:
    """What was believed makes sense: it is where it may be and can be given."""
    for path, entry in (*found.entries.items(), *found.parents.items()):
        assert entry.path == path and paths.is_normal(path)
        assert 0 <= entry.mode <= 0o7777 and 0 <= entry.uid < 2**32 - 1 and 0 <= entry.gid < 2**32 - 1
    for path in found.entries:
        (watched,) = (one for one in found.live if one.holds(path))
        assert path == watched.path or os.path.dirname(path) in found.entries


@pytest.mark.parametrize("fuzz", [one_stream, one_database])
def test_anything_ends_in_sense_or_a_declared_error(
    fuzz: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    number, began = SEED, time.monotonic()
    while time.monotonic() - began < SECONDS:
        with capsys.disabled():
            print(f"\nPACHA_SEED={number}" if number == SEED else ".", end="", flush=True)
        seed(number)(fuzz)()
        number += 1
    with capsys.disabled():
        print(f" {(number - SEED) * 200} examples")
