"""A pacha.db that came from elsewhere: nothing of it is believed before it is checked."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacha.errors import DamagedError
from pacha.files import paths
from pacha.store import database, rows, untrusted_db
from tests.support.amount import examples
from tests.support.database_rows import COLUMNS, META, VALUE, execute, good, refused, whole


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "fetched.db")
    database.write(made, good())
    return made


def test_one_that_is_whole_is_read(path: str) -> None:
    before = Path(path).read_bytes()
    assert untrusted_db.read(path) == good()
    assert Path(path).read_bytes() == before
    assert os.listdir(os.path.dirname(path)) == ["fetched.db"]


def test_some_columns_of_it_are_read(path: str) -> None:
    head, found = untrusted_db.read_rows(path, ["uid", "sha256", "sealed"])
    assert (head.meta, head.watched, head.entries) == (good().meta, good().watched, {})
    expected = {(e.path, e.kind.value, e.uid, e.sha256, e.sealed) for e in good().entries.values()}
    assert set(found) == expected and len(found) == len(expected)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET path = x'2f737276' WHERE kind = 'f'", "UPDATE entry SET path = 'text' WHERE kind = 'f'",
        "UPDATE entry SET kind = 'f' WHERE kind = 'd'", "UPDATE entry SET path = 5 WHERE kind = 'f'",
        "UPDATE entry SET path = x'2f7372762f782f66' WHERE kind = 'c'", "UPDATE watched SET repository = '../w'",
        "DROP TABLE entry", "ALTER TABLE entry DROP COLUMN uid",
    ],
)  # fmt: skip
def test_columns_of_what_does_not_go_together_are_not_read(path: str, statement: str) -> None:
    execute(path, statement)
    with pytest.raises(DamagedError) as caught:
        untrusted_db.read_rows(path, ["uid"])
    assert caught.value.why.isprintable()


@pytest.mark.parametrize("read", [untrusted_db.read, lambda path: untrusted_db.read_rows(path, ["uid"])])
def test_a_path_that_it_holds_twice_is_damage(path: str, read: Callable[[str], object]) -> None:
    columns = ", ".join(rows.COLUMNS)
    execute(path, f"INSERT INTO entry ({columns}) SELECT {columns} FROM entry WHERE path = x'{b'/srv/w/f'.hex()}'")
    with pytest.raises(DamagedError) as caught:
        read(path)
    assert "twice" in caught.value.why


@pytest.mark.parametrize("folder", ["a b", "a%20b", "a?mode=rwc", "a#b", "\u00e9", "a\udcffb"])
def test_wherever_it_lies(path: str, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    os.rename(path, tmp_path / folder / "pacha.db")
    assert untrusted_db.read(str(tmp_path / folder / "pacha.db")) == good()


@pytest.mark.parametrize("kind", ["f", "l", "p", "c"])
def test_a_parent_that_is_no_directory(path: str, kind: str) -> None:
    row = {"f": "sha256 = zeroblob(32), stored = x'61'", "l": "target = x'61'", "p": "size = 0", "c": "device = 5"}
    execute(path, f"UPDATE parent SET kind = '{kind}', {row[kind]}")
    refused(path)


@pytest.mark.parametrize("value", ["", "x", "1e9", "9" * 5000, "-"])
def test_a_format_that_is_no_number(path: str, value: str) -> None:
    execute(path, "UPDATE meta SET value = ? WHERE key = 'readable_from'", values=(value,))
    refused(path)


def test_without_a_format(path: str) -> None:
    execute(path, "DELETE FROM meta")
    refused(path)


def test_a_newer_format_names_the_version_to_install(path: str) -> None:
    execute(
        path,
        "UPDATE meta SET value = '3' WHERE key = 'readable_from'",
        "UPDATE meta SET value = '3.4' WHERE key = 'version'",
    )
    assert "Install Pacha 3.4" in refused(path).hint
    execute(
        path,
        "UPDATE meta SET value = '1' WHERE key = 'readable_from'",
        "UPDATE meta SET value = '99' WHERE key = 'schema'",
    )
    assert untrusted_db.read(path).entries == good().entries, "what is merely newer is read"


def test_what_a_newer_version_added_is_ignored(path: str) -> None:
    execute(
        path, "ALTER TABLE entry ADD COLUMN future TEXT DEFAULT 'x'", "CREATE TABLE future (a)",
        "INSERT INTO meta VALUES ('future', 'x')", "CREATE INDEX by_path ON entry (path)",
    )  # fmt: skip
    found = untrusted_db.read(path)
    assert replace(found, meta=META) == good()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE watched SET repository = 'w'",
        "UPDATE watched SET repository = 'W' WHERE id = 2",
        "UPDATE watched SET retired = 0",
        "UPDATE watched SET path = x'2f737276', kind = 'dir' WHERE id = 2",
        "UPDATE watched SET retired = 1",
        "DELETE FROM watched",
        "UPDATE watched SET kind = 'single' WHERE id = 1",
        "INSERT INTO entry SELECT id + 99, watched, path, kind, 3565, uid, gid, owner, grp, mtime_ns, size, sha256, "
        "target, link_group, device, xattrs, flags, stored, parts, sparse, holes, project, sealed FROM entry "
        "WHERE kind = 'f'",
        "DELETE FROM meta WHERE key = 'readable_from'",
    ],
)
def test_rows_that_do_not_go_together(path: str, statement: str) -> None:
    execute(path, statement)
    refused(path)


@pytest.mark.parametrize("table", ["meta", "watched", "parent", "entry", "account"])
@pytest.mark.parametrize("how", ["DROP TABLE {0}", "ALTER TABLE {0} RENAME TO x", "view", "virtual", "generated"])
def test_a_table_that_is_none(path: str, table: str, how: str) -> None:
    if how == "view":
        execute(path, f"ALTER TABLE {table} RENAME TO x", f"CREATE VIEW {table} AS SELECT * FROM x")
    elif how == "virtual":
        try:
            execute(path, f"DROP TABLE {table}", f"CREATE VIRTUAL TABLE {table} USING fts5(path, kind, key, value)")
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no FTS5")
    elif how == "generated":
        execute(path, f"ALTER TABLE {table} ADD COLUMN heavy AS (zeroblob(999999999))")
    else:
        execute(path, how.format(table))
    refused(path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END",
        "CREATE TABLE sqlite_stat9 (a)",
        "ALTER TABLE entry DROP COLUMN parts",
        "ALTER TABLE watched DROP COLUMN retired",
    ],
)
def test_more_or_less_than_tables(path: str, statement: str) -> None:
    try:
        execute(path, statement)
    except sqlite3.OperationalError as error:
        assert "reserved" in str(error)  # SQLite itself refuses it
        return
    refused(path)


def test_a_virtual_table_beside_ours(path: str) -> None:
    try:
        execute(path, "CREATE VIRTUAL TABLE future USING fts5(text)")
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no FTS5")
    refused(path)


def test_a_page_that_counts_one_row_less_than_it_has(path: str) -> None:
    """Every value that is left makes sense; a rebuild would leave out a file without a word."""
    with closing(sqlite3.connect(path)) as connection:
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
        page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entry'").fetchone()[0]
    data = bytearray(Path(path).read_bytes())
    data[(page - 1) * page_size + 4] -= 1  # sqlite.org/fileformat2.html, b-tree pages
    Path(path).write_bytes(data)
    refused(path)


def test_one_that_is_larger_than_any(path: str) -> None:
    os.truncate(path, 2**30 + 1)
    refused(path)


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0", b"\0" * 8192])
def test_what_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.db").write_bytes(content)
    refused(str(tmp_path / "x.db"))


def test_one_that_is_not_there(tmp_path: Path) -> None:
    refused(str(tmp_path / "none.db"))


def test_cut_off_anywhere(path: str) -> None:
    whole = Path(path).read_bytes()
    for length in range(0, len(whole), 509):
        Path(path).write_bytes(whole[:length])
        refused(path)


def test_a_journal_beside_it_is_not_played_back(path: str) -> None:
    Path(f"{path}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(5000))
    Path(f"{path}-wal").write_bytes(bytes(5000))
    assert untrusted_db.read(path) == good()


def scribbled(act: Callable[[str], object]) -> None:
    """Whatever ``act`` does to a good one, it is read or refused, and what is read makes sense."""
    path = os.path.join(os.environ["TMPDIR"], "scribbled.db")
    Path(path).write_bytes(whole())
    act(path)
    try:
        found = untrusted_db.read(path)
    except DamagedError as error:
        assert (error.message + error.why + error.hint).isprintable()
        return
    for entry in (*found.entries.values(), *found.parents.values()):
        assert paths.is_normal(entry.path) and 0 <= entry.mode <= 0o7777
        assert 0 <= entry.uid < 2**32 - 1 and 0 <= entry.gid < 2**32 - 1
    for path_, entry in found.entries.items():
        assert entry.path == path_ and any(one.holds(path_) for one in found.live)
    assert isinstance(found.host, str) and hash(found.watched) is not None


@pytest.mark.soak
@given(st.lists(st.tuples(st.sampled_from(COLUMNS), st.integers(1, 5), VALUE), min_size=1, max_size=3))
@settings(max_examples=examples(250), suppress_health_check=list(HealthCheck))
def test_any_values_anywhere_are_read_or_refused(changes: list[tuple[tuple[str, str], int, Any]]) -> None:
    def act(path: str) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA synchronous=OFF")
            for (table, column), number, value in changes:
                where = f"(SELECT key FROM meta LIMIT 1 OFFSET {number - 1})" if table == "meta" else str(number)
                identity = "key" if table == "meta" else "id"
                try:
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE {identity} = {where}", (value,))
                except (sqlite3.IntegrityError, UnicodeEncodeError):
                    pass
            connection.commit()

    scribbled(act)


def test_any_bit_may_be_flipped() -> None:
    seeded = random.Random(4711)
    size = len(whole())

    def flip(path: str) -> None:
        data = bytearray(whole())
        for _ in range(seeded.choice([1, 1, 1, 3, 40])):
            place = seeded.randrange(size) if seeded.random() < 0.6 else seeded.randrange(120)
            data[place] ^= 1 << seeded.randrange(8)
        Path(path).write_bytes(data)

    for _ in range(400):
        scribbled(flip)
