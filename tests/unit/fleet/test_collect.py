"""What a child says of a host is checked again."""

from __future__ import annotations

import json

import pytest

from pacha.fleet import collect
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)

HEAD = {"tip": "a" * 40, "known": 0, "watched": [["/etc", False, "etc", "b" * 40, []]], "packages": []}
SNAPSHOT = [0, "a" * 40, 1.0, "root", "why", "1 added\n"]
ENTRY = ["/etc/motd", "f", 0o644, "root", "root", 1, "x" * 32, "motd", 0]


def reply(*lines: object) -> bytes:
    return "\n".join(map(json.dumps, lines)).encode()


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
        [{**HEAD, "packages": [["\x1b", "amd64", "1"]]}], [HEAD, [0, "x", 1.0, "", "", None]],
        [HEAD, [0, "a" * 40, 1e300, "", "", None]],
    ],
)  # fmt: skip
def test_a_reply_that_makes_no_sense(lines: list[object]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        collect.decode(reply(*lines))


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, "/etc/../x"), (0, "etc"), (1, "x"), (2, -1), (2, 0o10000), (5, -1), (3, 7), (0, "/" + "x" * 20_000)],
)
def test_a_path_that_makes_no_sense(place: int, value: object) -> None:
    row = [*ENTRY[:place], value, *ENTRY[place + 1 :]]
    (line,) = collect.decode(reply(HEAD, SNAPSHOT, row)).entries
    with pytest.raises((ValueError, TypeError, AttributeError)):
        collect.entry_row(line)
