"""What a master's overview believes of a heartbeat, which is the host's to forge, and how it judges its age."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pacha.server import check_results
from pacha.server import hosts as fleet
from pacha.server.check_results import CheckResult
from pacha.server.hosts import State
from pacha.ui import hosts as meter
from pacha.ui import prometheus

NOW = 1_800_000_000.0
GOOD = {"tip": "ab" * 20, "exit": 0, "version": "1.0", "frequency": 12, "paths": 1, "files": 2, "size": 3}


def at(hours_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - hours_ago * 3600))


def make(hosts: Path, name: str, hours_ago: float = 1, text: bytes | None = None, **more: object) -> Path:
    folder = hosts / name
    (folder / "db/.hg/store").mkdir(parents=True)
    (folder / "db/.hg/store/00changelog.i").write_bytes(b"x")
    line = {"at": at(hours_ago), **GOOD, **more}
    (folder / "last-push").write_bytes(json.dumps(line).encode() if text is None else text)
    return folder


def states(hosts: Path) -> dict[str, State]:
    return {one.host: one.state for one in fleet.hosts(os.fsencode(hosts), NOW)}


@pytest.mark.parametrize(
    ("hours", "frequency", "state"),
    [
        (0, 12, State.FRESH), (13.9, 12, State.FRESH), (14.1, 12, State.LATE), (37.9, 12, State.LATE),
        (38.1, 12, State.SILENT), (2.4, 0.5, State.FRESH), (2.6, 0.5, State.LATE), (100, 168, State.FRESH),
    ],
)  # fmt: skip
def test_a_host_is_judged_by_its_own_frequency(tmp_path: Path, hours: float, frequency: float, state: State) -> None:
    make(tmp_path, "bar", hours, frequency=frequency)
    assert states(tmp_path) == {"bar": state}


@pytest.mark.parametrize("claimed", [745, 1e6, 1e300], ids=["745", "1e6", "1e300"])
def test_no_frequency_keeps_a_host_fresh_for_ever(tmp_path: Path, claimed: float) -> None:
    """It is the host's own word, and a thief's: a month is counted at most, and what it says is shown."""
    make(tmp_path, "bar", 700, frequency=claimed)
    [seen] = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert seen.state is State.FRESH and not seen.fine and "744 are counted" in seen.note
    assert "744 are counted" in meter.hosts_text([seen])
    [told] = json.loads(meter.hosts_json([seen]))
    assert told["frequency"] == 744 and told["frequency_claimed"] == min(claimed, 10**15)
    assert 'pacha_host_frequency_seconds{host="bar"} 2678400' in prometheus.prometheus_text([seen])
    make(tmp_path, "foo", 3 * 744 + 3, frequency=claimed)
    assert states(tmp_path)["foo"] is State.SILENT


@pytest.mark.parametrize("said", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1", b"-1e999", b"0", b"true"])
def test_a_frequency_that_is_none_is_not_believed(tmp_path: Path, said: bytes) -> None:
    text = json.dumps({"at": at(1), **GOOD}).encode().replace(b'"frequency": 12', b'"frequency": ' + said)
    make(tmp_path, "bar", text=text)
    [seen] = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert seen.state is State.SILENT and "makes no sense" in seen.note


def test_the_worst_come_first(tmp_path: Path) -> None:
    for name, hours in (("a", 1), ("b", 20), ("c", 200), ("e", 1)):
        make(tmp_path, name, hours)
    (tmp_path / "d").mkdir()
    for other in (".hooks", ".pacha", ".old"):
        (tmp_path / other).mkdir()
    (tmp_path / "a file").write_text("")
    assert list(states(tmp_path)) == ["d", "c", "b", "a", "e"]
    assert fleet.exit_code(fleet.hosts(os.fsencode(tmp_path), NOW)) == 3


def test_a_folder_that_is_a_link_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a")
    for name, target in (("moved", "a"), ("nowhere", "gone"), (".hidden", "a")):
        (tmp_path / name).symlink_to(target)
    found = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert [(one.host, one.state, "is a link" in one.note) for one in found] == [
        ("moved", State.SILENT, True), ("nowhere", State.SILENT, True), ("a", State.FRESH, False),
    ]  # fmt: skip
    assert fleet.exit_code(found) == 3


def test_not_the_time_of_the_file_counts(tmp_path: Path) -> None:
    os.utime(make(tmp_path, "bar", 200) / "last-push", (NOW, NOW))
    assert states(tmp_path) == {"bar": State.SILENT}


BAD = [
    b"", b"{", b"[]", b"null", b"1", b"[" * 4000, b"\xff\xfe", b"x" * 5000, b'{"at": 1}',
    json.dumps({"at": at(1), **GOOD, "tip": "../../etc"}).encode(),
    json.dumps({"at": at(1), **GOOD, "version": "1.0\x1b[31m"}).encode(),
    json.dumps({"at": at(1), **GOOD, "version": ["1"]}).encode(),
    json.dumps({"at": at(1), **GOOD, "frequency": 0}).encode(),
    json.dumps({"at": at(1), **GOOD, "frequency": float("nan")}).encode(),
    json.dumps({"at": at(1), **GOOD, "frequency": float("inf")}).encode(),
    json.dumps({"at": at(1), **GOOD, "frequency": True}).encode(),
    json.dumps({"at": at(1), **GOOD, "frequency": 10**400}).encode(),
    json.dumps({"at": at(1), **GOOD, "later": [float("inf")]}).encode(),
    json.dumps({"at": at(1), **GOOD, "size": -1}).encode(),
    json.dumps({"at": at(1), **GOOD, "size": 1 << 70}).encode(),
    json.dumps({"at": at(1), **GOOD, "files": "many"}).encode(),
    json.dumps({"at": "yesterday", **GOOD}).encode(),
    json.dumps({"at": at(1), **GOOD, "snapshot": "9" * 300}).encode(),
]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_makes_no_sense_is_not_believed(tmp_path: Path, text: bytes) -> None:
    make(tmp_path, "bar", text=text)
    make(tmp_path, "foo")
    found = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert [one.host for one in found] == ["bar", "foo"]
    assert found[0].state is State.SILENT and "makes no sense" in found[0].note
    for shown in (meter.hosts_text(found), meter.hosts_json(found), prometheus.prometheus_text(found)):
        assert not [c for c in shown if c < " " and c != "\n"]


def test_a_heartbeat_from_the_future_is_no_alibi(tmp_path: Path) -> None:
    make(tmp_path, "bar", -24 * 365)
    [seen] = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert seen.state is State.SILENT and "future" in seen.note


def test_nothing_in_a_hosts_folder_is_followed_or_waited_for(tmp_path: Path) -> None:
    good = make(tmp_path, "good") / "last-push"
    for name in ("link", "fifo", "folder"):
        (make(tmp_path, name) / "last-push").unlink()
    (tmp_path / "link/last-push").symlink_to(good)
    os.mkfifo(tmp_path / "fifo/last-push")
    (tmp_path / "folder/last-push").mkdir()
    assert {name: state.value for name, state in states(tmp_path).items()} == {
        "good": "fresh", "link": "silent", "fifo": "silent", "folder": "silent",
    }  # fmt: skip


def test_a_host_whose_db_is_gone_is_not_kept(tmp_path: Path) -> None:
    (make(tmp_path, "bar") / "db/.hg/store/00changelog.i").unlink()
    [seen] = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert seen.state is State.NEVER and "gone" in seen.note


def test_an_older_heartbeat_says_less(tmp_path: Path) -> None:
    line = {"at": at(1), "tip": "ab" * 20, "exit": 3, "version": "1.0"}
    make(tmp_path, "bar", text=json.dumps(line).encode())
    found = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert found[0].state is State.FRESH
    assert "exit code 3" in meter.hosts_text(found)


def test_the_last_check_is_shown_and_counts(tmp_path: Path) -> None:
    make(tmp_path, "bar")
    assert fleet.exit_code(fleet.hosts(os.fsencode(tmp_path), NOW)) == 0
    check_results.write(
        os.fsencode(tmp_path), CheckResult(host="bar", at=NOW, code=13, faults=("a is not as it was pushed.",))
    )
    assert (tmp_path / ".pacha").stat().st_mode & 0o777 == 0o700
    found = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert fleet.exit_code(found) == 3 and "a is not as it was pushed" in meter.hosts_text(found)
    assert 'pacha_host_check_exit_code{host="bar"} 13' in prometheus.prometheus_text(found)
    (tmp_path / ".pacha").chmod(0o777)
    assert fleet.hosts(os.fsencode(tmp_path), NOW)[0].checked is None, "anybody could have written it"


def test_an_old_check_that_found_no_push_is_forgotten_after_one(tmp_path: Path) -> None:
    make(tmp_path, "bar")
    check_results.write(os.fsencode(tmp_path), CheckResult(host="bar", at=NOW, code=3, faults=("it has never pushed",)))
    found = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert found[0].fine and "never pushed" not in meter.hosts_text(found)
    check_results.write(
        os.fsencode(tmp_path),
        CheckResult(host="bar", at=NOW, code=3, faults=("it has never pushed", "the hook x is y")),
    )
    found = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert not found[0].fine and meter.hosts_text(found).endswith("the hook x is y")


def test_prometheus_reads_every_line(tmp_path: Path) -> None:
    make(tmp_path, "bar")
    make(tmp_path, "foo", 300)
    for line in prometheus.prometheus_text(fleet.hosts(os.fsencode(tmp_path), NOW)).splitlines():
        assert line.startswith("# ") or (line.startswith("pacha_host_") and float(line.rsplit(" ", 1)[1]) >= 0)


def test_two_hundred_hosts_take_no_time(tmp_path: Path) -> None:
    for number in range(200):
        make(tmp_path, f"host{number}")
    began = time.process_time()
    assert len(states(tmp_path)) == 200
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {"at": 1e300}, {"at": -1}, {"at": "x"}, {"code": 10**30}, {"code": "3"}, {"made": float("nan")}, {"size": -1},
        {"files": 1.5}, {"tip": "../../etc"}, {"tip": "\x1b[2J"}, {"seconds": float("inf")}, {"faults": 7},
    ],
)  # fmt: skip
def test_the_note_of_a_check_that_makes_no_sense_is_none(tmp_path: Path, changes: dict[str, object]) -> None:
    make(tmp_path, "bar")
    check_results.write(os.fsencode(tmp_path), CheckResult(host="bar", at=NOW, code=3, tip="ab" * 20))
    [note] = (tmp_path / ".pacha").iterdir()
    assert check_results.read(os.fsencode(tmp_path))["bar"].tip == "ab" * 20
    note.write_text(json.dumps({**json.loads(note.read_text()), **changes}))
    assert check_results.read(os.fsencode(tmp_path)) == {}
    assert meter.hosts_text(fleet.hosts(os.fsencode(tmp_path), NOW))


def test_what_a_check_found_is_safe_to_print(tmp_path: Path) -> None:
    make(tmp_path, "bar")
    check_results.write(os.fsencode(tmp_path), CheckResult(host="bar", at=NOW, code=13, faults=("\x1b]52;\x07\u202e",)))
    [one] = fleet.hosts(os.fsencode(tmp_path), NOW)
    assert one.checked is not None and all(fault.isprintable() for fault in one.checked.faults)
