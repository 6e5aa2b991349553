"""The table of a master's hosts: it fits a terminal, and loses nothing elsewhere."""

from __future__ import annotations

import json

import pytest

from pacha.server.check_results import CheckResult
from pacha.server.hosts import Heartbeat, HostStatus, State
from pacha.ui import hosts
from tests.support.terminal import at_terminal


def test_the_hosts_fit_and_lose_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch)
    beat = Heartbeat(
        at=1e9, tip="a" * 40, exit=0, version="1.0", made=1e9, frequency=12, paths=3, files=333, size=9 << 20
    )
    bad = CheckResult(
        host="bar", at=1e9, code=13, faults=("The repository /pacha/hosts/bar/foo is damaged. " + "why " * 20,)
    )
    seen = [HostStatus("bar", State.FRESH, beat, checked=bad), HostStatus("other", State.FRESH, beat, None)]
    lines = hosts.hosts_text(seen).splitlines()
    assert max(map(len, lines)) <= 80 and "EVERY" not in lines[0] and lines[2].startswith("      The repository")
    long = HostStatus("a-rather-long-name-of-40-columns.example.com", State.FRESH, beat, checked=bad)
    lines = hosts.hosts_text([long, *seen]).splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].split() == ["HOST", "STATE", "LAST", "PUSH"]
    monkeypatch.setattr(hosts, "at_terminal", lambda: False)
    assert "EVERY" in hosts.hosts_text(seen) and len(hosts.hosts_text(seen).splitlines()) == 3


def test_programs_get_every_host_and_null_for_what_is_not_known() -> None:
    beat = Heartbeat(at=1e9, tip="a" * 40, exit=3, version="1.0", made=9e8, frequency=0.5, paths=3, files=4, size=5)
    checked = CheckResult(host="bar", at=1e9, code=0)
    bar, other = json.loads(
        hosts.hosts_json(
            [HostStatus("bar", State.LATE, beat, checked=checked), HostStatus("other", State.NEVER, None, checked=None)]
        )
    )
    assert bar.pop("checked")["host"] == "bar"
    assert bar == {
        "host": "bar", "state": State.LATE.value, "fine": False, "note": None, "last_push": "2001-09-09T01:46:40Z",
        "exit": 3, "version": "1.0", "snapshot": "a" * 40, "snapshot_at": "1998-07-09T16:00:00Z", "frequency": 0.5,
        "frequency_claimed": None,
        "paths": 3, "files": 4, "size": 5,
    }  # fmt: skip
    assert {key for key, value in other.items() if value is not None} == {"host", "state", "fine"}


def test_what_is_wrong_with_a_host_is_its_own_note_or_how_its_push_ended() -> None:
    beat = Heartbeat(at=1e9, tip="a" * 40, exit=11, version="1.0", made=1e9, frequency=12, paths=3, files=4, size=5)
    assert hosts.problem(HostStatus("bar", State.FRESH, beat, checked=None)).endswith("exit code 11")
    noted = HostStatus("bar", State.FRESH, beat, checked=None, note="its folder is a link")
    assert hosts.problem(noted).endswith("its folder is a link") and "11" not in hosts.problem(noted).split(";")[-1]
    bad = CheckResult(host="bar", at=1e9, code=13, faults=("it is damaged", "and more"))
    assert hosts.problem(HostStatus("bar", State.FRESH, None, checked=bad)).endswith("; it is damaged")


def test_what_the_last_check_found_of_the_signature_is_shown() -> None:
    checks = [CheckResult(host="bar", at=1e9, code=0, signature=word) for word in ("signed", "unsigned", "bad", "")]
    seen = [HostStatus("bar", State.FRESH, None, checked=checked) for checked in (*checks, None)]
    title, *lines = hosts.hosts_text(seen).splitlines()
    column = title.index("SIGNED")
    assert [line[column:].split()[0] for line in lines] == ["signed", "unsigned", "bad", "-", "-"]


def test_how_many_files_the_last_check_found_sealed_is_shown() -> None:
    checks = [CheckResult(host="bar", at=1e9, code=0, tip=tip, sealed=4) for tip in ("a" * 40, "")]
    seen = [HostStatus("bar", State.FRESH, None, checked=checked) for checked in (*checks, None)]
    title, *lines = hosts.hosts_text(seen).splitlines()
    assert [line[title.index("SEALED") :].split()[0] for line in lines] == ["4", "-", "-"]
