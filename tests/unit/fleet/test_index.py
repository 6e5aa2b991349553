"""The index: a host is replaced as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.fleet.collect import HostRecord, SnapshotRow
from pacha.fleet.index import Index
from pacha.fleet.index_file import open_index
from pacha.store.snapshot import Watched

ROOT = Watched(path=b"/etc", single=False, repository="etc", node="b" * 40, exclude=("*.bak",))


def record(*lines: bytes, known: int = 0, number: int = 0) -> HostRecord:
    row = SnapshotRow(number=number, node="a" * 40, at=5.0, user="root", message="", changes=b"x\ny\nA /etc/motd\n")
    return HostRecord(
        tip="a" * 40,
        known=known,
        watched=(ROOT,),
        packages=(b"nginx amd64 1",),
        snapshots=(row,),
        entries=iter(lines),
    )


def line(path: str, content: str = "x") -> bytes:
    texts = [text.encode().hex() for text in (path, "root", "root", content * 32, "motd")]
    return "{} f 420 {} {} 1 {} {} 0".format(*texts).encode()


@pytest.fixture(name="index")
def new_index(tmp_path: Path) -> Iterator[Index]:
    with open_index(str(tmp_path / "fleet.db")) as index:
        yield index


def test_what_is_known_of_a_host(index: Index) -> None:
    index.replace("bar", "mark", record(line("/etc/motd"), line("/etc/issue")))
    (host,) = index.hosts()
    assert (host.name, host.mark, host.tip, host.number, host.fault) == ("bar", "mark", "a" * 40, 0, "")
    index.choose([host])
    assert [path for _, path in index.paths(b"/etc")] == [b"/etc/issue", b"/etc/motd"]
    ((number, path),) = index.paths(b"/etc/motd")
    ((owner, state),) = index.entries(number)
    assert owner == host.id and index.state(state).content == b"x" * 32 and path == b"/etc/motd"
    assert index.watched(host.id) == (ROOT,)
    assert [row.changes for _, row in index.snapshots(5.0)] == [b"x\ny\nA /etc/motd\n"]
    assert list(index.snapshots(5.1)) == []
    assert list(index.packages()) == [("nginx", "amd64", "1", host.id)]


def test_snapshots_that_are_known_stay(index: Index) -> None:
    index.replace("bar", "one", record(line("/etc/motd")))
    index.replace("bar", "two", record(line("/etc/motd", "y"), known=1, number=1))
    index.choose(index.hosts())
    assert [row.number for _, row in index.snapshots(0)] == [0, 1]
    index.replace("bar", "three", record(line("/etc/motd", "y")))
    assert [row.number for _, row in index.snapshots(0)] == [0]


def test_a_record_that_fails_midway_changes_nothing(index: Index) -> None:
    index.replace("bar", "one", record(line("/etc/motd")))
    with pytest.raises(ValueError):
        index.replace("bar", "two", record(line("/etc/issue"), b"nonsense"))
    assert [host.mark for host in index.hosts()] == ["one"]
    assert [path for _, path in index.paths()] == [b"/etc/motd"]
    index.replace("baz", "one", record(line("/etc/issue")))
    index.choose(index.hosts()[1:])
    assert [index.entries(number) != [] for number, _ in index.paths()] == [True, False]


def test_a_path_that_is_there_twice_makes_no_sense(index: Index) -> None:
    with pytest.raises(ValueError):
        index.replace("bar", "one", record(line("/etc/motd"), line("/etc/motd", "y")))
    index.replace("baz", "one", record(line("/etc/motd")))
    assert [host.name for host in index.hosts()] == ["baz"]


def test_a_package_that_makes_no_sense_changes_nothing(index: Index) -> None:
    with pytest.raises(ValueError):
        index.replace("bar", "one", replace(record(line("/etc/motd")), packages=(b"nginx amd64 1", b"-o amd64 1")))
    assert index.hosts() == [] and list(index.paths()) == []


def test_a_package_in_the_place_of_a_path_makes_no_sense(index: Index) -> None:
    """Nor a path in that of a package, although the same line was looked up before: for this host or another."""
    index.replace("bar", "one", record(line("/etc/motd")))
    for forged in (record(b"nginx amd64 1"), replace(record(), packages=(line("/etc/motd"),))):
        with pytest.raises(ValueError):
            index.replace("baz", "one", forged)
        index.replace("bar", "one", record(line("/etc/motd")))
    assert [host.name for host in index.hosts()] == ["bar"]


def test_a_spoilt_host_keeps_its_snapshots(index: Index) -> None:
    index.replace("bar", "one", record(line("/etc/motd")))
    index.spoil("bar", "two", "forged")
    (host,) = index.hosts()
    index.choose([host])
    assert host.fault == "forged" and len(list(index.snapshots(0))) == 1
    assert all(index.entries(number) == [] for number, _ in index.paths())


def test_what_no_host_has_any_more_is_swept(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacha.fleet.index._SWEEP", 1)
    index.replace("bar", "one", record(line("/etc/motd")))
    index.replace("bar", "two", record(line("/etc/issue")))
    index.sweep()
    assert [path for _, path in index.paths()] == [b"/etc/issue"]
    index.remove("bar")
    index.sweep()
    assert list(index.paths()) == [] and index.hosts() == []
