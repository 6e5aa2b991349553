"""Single values of a pacha.db from elsewhere that are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pacha.store import database, untrusted_db
from tests.support.database_rows import execute, good, refused


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "fetched.db")
    database.write(made, good())
    return made


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("path", value) for value in (
            b"/etc/shadow", b"/srv/w/../../etc/shadow", b"/srv/w/..", b"srv/w/x", b"", b"/srv/w/", b"/srv//w/x",
                b"/srv/w/./x",
            b"/srv/w/a\0b", b"/", b"/srv", b"/srv/wx", "/srv/w/x", 5, None, 1.5, b"/srv/w/.pacha-0123456789abcdef",
            b"/srv/w/.pacha-kept-1/x", b"/etc/fstab/x", b"/srv/w/l")),
        *(("mode", value) for value in (0o10000, 0o777777, -1, 2**63 - 1, 1.5, "x", b"x", None)),
        *((name, value) for name in ("uid", "gid") for value in (-1, 2**32 - 1, 2**32, -(2**63), "x", b"0", None, 0.5)),
        *(("kind", value) for value in ("s", "x", "", "ff", b"f", None, 1, "d\0")),
        *(("size", value) for value in (-1, None, "x", b"", 1.25)),
        *(("mtime_ns", value) for value in (None, "x", 1.5, b"x", b"1" * 31)),
        *(("sha256", value) for value in (None, b"", b"s" * 31, b"s" * 33, "s" * 32, 7)),
        *(("owner", value) for value in ("root", 0, b"a\0b")),
        *(("grp", value) for value in ("root", 0, b"\0")),
        *(("target", value) for value in (b"x", "x", 1)),
        *(("link_group", value) for value in (-1, "x", b"", 1.5)),
        *(("device", value) for value in (0, 259, -1, "x")),
        *(("flags", value) for value in (-1, 2**32, None, "x")),
        *(("stored", value) for value in (None, "f", b".hg/hgrc", b"a\nb", b".hgsub", b"", b"../f", b"f\0",
            b".pacha%f", b"/f", b"a//b", 5)),
        *(("parts", value) for value in (-1, 10**6, None, "x", 2**62)),
        *(("sparse", value) for value in (-1, 2, "x", 0.5)),
        *(("project", value) for value in (-1, 2**32, "x", 0.5)),
        *(("holes", value) for value in (
            "[", "5", "[1]", "[[1]]", "[[-1,1]]", "[[0,0]]", "[[5,5],[9,1]]", "[[0,9223372036854775808]]", "[[0,1.5]]",
            '[["0","1"]]', "[" * 100_000, json.dumps([[n, 1] for n in range(257)]), b"[]", 1)),
        *(("xattrs", value) for value in (
            None, "[", "[1]", '[["zz",""]]', '[["00","00"]]', '[["757365722e61",5]]', '{"a":1}', '"ab"', "5", b"",
                5, "null", '[["757365722e"]]',
            json.dumps([[b"user.a\0b".hex(), ""]]), json.dumps([[b"noname".hex(), ""]]), "[" * 100_000,
            '[["757365722e61","","x"]]')),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense(path: str, column: str, value: object) -> None:
    execute(path, f"UPDATE entry SET {column} = ? WHERE path = x'{b'/srv/w/f'.hex()}'", values=(value,))
    refused(path)


@pytest.mark.parametrize(("column", "value"), [("path", b"/etc/shadow"), ("path", b"/srv/w"), ("mode", 0o10000),
    ("uid", -1), ("path", b"/srv/.."), ("kind", "s")])  # fmt: skip
def test_a_parent_that_makes_no_sense(path: str, column: str, value: object) -> None:
    execute(path, f"UPDATE parent SET {column} = ? WHERE path = x'{b'/srv'.hex()}'", values=(value,))
    refused(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("path", value) for value in (b"srv/w", b"/srv/w/..", b"", b"/srv/w/", b"/srv/w\0", "/srv/w", None, 5,
            b"//srv")),
        *(("repository", value) for value in ("../etc", "a/b", "", ".hg", "-rf", "db", "x" * 65, "a\n", "a b",
        "fstab", b"w", None, "\u00e9", "DB", "last-push", "Last-Push.new")),
        *(("node", value) for value in ("a" * 39, "A" * 40, "--config=x", b"a" * 40, 5, "", "g" * 40, "a" * 40 + "\n")),
        *(("exclude", value) for value in ("", "5", "[5]", '"abc"', "{}", "[null]", '["[z-a]"]', '[["a"]]', b"[]",
            None, "[" * 100_000, '["\\ud800"]')),
        *(("kind", value) for value in ("single", "x", None, 5, b"dir")),
        *(("one_filesystem", value) for value in ("x", b"", None, 1.5, 7)),
        *(("retired", value) for value in ("x", b"", None, 1.5, 7)),
    ],
)  # fmt: skip
def test_a_watched_path_that_makes_no_sense(path: str, column: str, value: object) -> None:
    execute(path, f"UPDATE watched SET {column} = ? WHERE id = 1", values=(value,))
    refused(path)


@pytest.mark.parametrize(("length", "is_refused"), [(4095, False), (4096, True)])
def test_a_watched_path_that_is_longer_than_any_can_be(path: str, length: int, is_refused: bool) -> None:
    execute(path, "UPDATE watched SET path = ? WHERE retired", values=(b"/srv/w/".ljust(length, b"x"),))
    if is_refused:
        assert "longer" in refused(path).why
    else:
        assert untrusted_db.read(path).entries == good().entries


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((name, value) for name in ("name", "home", "shell") for value in ("a", b"a:0:0", b"a\nroot::0:0", b"\0",
            None, 5)),
        *(("name", value) for value in (b"", b"-o")),
        *((name, value) for name in ("number", "gid") for value in (-1, 2**32 - 1, "x", None, 1.5)),
        *(("groups", value) for value in ("", "5", "[5]", '["zz"]', '["3a"]', None, "[null]", '[""]', "[" * 100_000)),
        *(("is_group", value) for value in ("x", None, 7)),
    ],
)  # fmt: skip
def test_an_account_that_makes_no_sense(path: str, column: str, value: object) -> None:
    execute(path, f"UPDATE account SET {column} = ? WHERE id = 2", values=(value,))
    refused(path)


@pytest.mark.parametrize("key", ["host", "machine", "version", "frequency", "schema", "readable_from"])
@pytest.mark.parametrize("value", [b"1", None, "a\x1b[2Jb", "\u202e", "x" * 10_000])
def test_meta_that_is_no_plain_text(path: str, key: str, value: object) -> None:
    execute(path, f"INSERT OR REPLACE INTO meta VALUES ('{key}', ?)", values=(value,))
    refused(path)
