"""What a child says of a host is checked again."""

from __future__ import annotations

import json

import pytest

from pacha.errors import DamagedError
from pacha.fleet import collect
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)

HEAD = {"tip": "a" * 40, "known": 0, "watched": [["/etc", False, "etc", "b" * 40, []]], "packages": []}
SNAPSHOT = [0, "a" * 40, 1.0, "root", "why", "1 added\n"]
ENTRY = [b"/etc/motd", "f", 0o644, b"root", b"#7", 1, b"x" * 32, b"motd", 0]


def reply(*lines: object) -> bytes:
    return "\n".join(map(json.dumps, lines)).encode()


def line(*words: object) -> bytes:
    return " ".join(word.hex() if isinstance(word, bytes) else str(word) for word in words).encode()


def test_the_record_of_a_host(hosts: Hosts) -> None:
    record = collect.decode(collect.collect(hosts.hosts_path, "web1", hosts.top, "", -1))
    rows = {row[0]: row for row in map(collect.entry_row, record.entries)}
    assert rows[hosts.path("motd")][1] == "f"
    assert record.known == 0 and [row.number for row in record.snapshots] == [0]
    assert b"A " + hosts.path("motd") in (record.snapshots[0].changes or b"")


def test_only_snapshots_that_are_new(hosts: Hosts) -> None:
    first = collect.decode(collect.collect(hosts.hosts_path, "web1", hosts.top, "", -1))
    hosts.push("web1", {"motd": "other\n"})
    again = collect.decode(collect.collect(hosts.hosts_path, "web1", hosts.top, first.tip, 0))
    assert again.known == 1 and [row.number for row in again.snapshots] == [1]
    other = collect.decode(collect.collect(hosts.hosts_path, "web1", hosts.top, "c" * 40, 0))
    assert other.known == 0 and [row.number for row in other.snapshots] == [0, 1]


@pytest.mark.parametrize(
    "lines",
    [
        [], [{}], ["x"], [{**HEAD, "tip": "\x1b[2J"}], [{**HEAD, "known": -1}], [{**HEAD, "watched": [1]}],
        [{**HEAD, "packages": [1]}], [HEAD, [0, "x", 1.0, "", "", None]],
        [HEAD, [0, "a" * 40, 1e300, "", "", None]],
    ],
)  # fmt: skip
def test_a_reply_that_makes_no_sense(lines: list[object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        collect.decode(reply(*lines))


def test_the_path_in_a_line() -> None:
    (found,) = collect.decode(reply(HEAD, SNAPSHOT) + b"\n" + line(*ENTRY)).entries
    assert list(collect.entry_row(found)) == ENTRY
    folder = [b"/etc", "d", 0o755, b"root", b"root", 0, b"", b"", 0]
    assert list(collect.entry_row(line(*folder))) == folder
    assert collect.entry_row(line(*ENTRY[:6], collect.SEALED, *ENTRY[7:]))[6] == collect.SEALED


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, b"/etc/../x"), (0, b"etc"), (0, b""), (0, b"/a\0b"), (0, "/etc"), (0, b"/" + b"x" * 20_000), (1, "x"),
        (1, "ff"), (2, -1), (2, 0o10000), (2, None), (3, "7"), (5, -1), (5, 2**63), (5, "9" * 5000), (5, 1.5),
        (6, b"x" * 31), (6, b""), (8, "1 2"), (8, "\u0661"),
    ],
)  # fmt: skip
def test_a_path_that_makes_no_sense(place: int, value: object) -> None:
    with pytest.raises(ValueError):
        collect.entry_row(line(*ENTRY[:place], value, *ENTRY[place + 1 :]))


@pytest.mark.parametrize(
    "text", ["nginx amd64", "nginx amd64 1 2", "-o amd64 1", "nginx amd64 \x1b", "nginx  1", "n\u00e9 a 1"]
)
def test_a_package_that_makes_no_sense(text: str) -> None:
    assert collect.package_row(b"nginx amd64 1:1.2-3~x") == ("nginx", "amd64", "1:1.2-3~x")
    with pytest.raises(ValueError):
        collect.package_row(text.encode())


@pytest.mark.parametrize("column", ["path", "owner", "sha256", "stored", "uid"])
def test_a_value_of_another_type_is_damage(hosts: Hosts, column: str) -> None:
    hosts.forge("web1", lambda db: db.execute(f"UPDATE entry SET owner = NULL, {column} = 'text' WHERE kind = 'f'"))
    with pytest.raises(DamagedError):
        collect.collect(hosts.hosts_path, "web1", hosts.top, "", -1)


@pytest.mark.parametrize("column", ["mode", "kind", "size", "parts"])
def test_a_value_does_not_make_another_line(hosts: Hosts, column: str) -> None:
    more = f"420 6e 6e 1 {'ab' * 32} 6e 0\n2f65 f 420"
    hosts.forge("web1", lambda db: db.execute(f"UPDATE entry SET {column} = ? WHERE kind = 'f'", (more,)))
    with pytest.raises(DamagedError):
        collect.collect(hosts.hosts_path, "web1", hosts.top, "", -1)
