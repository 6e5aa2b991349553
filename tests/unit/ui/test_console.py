"""What is shown at a terminal of 80 columns: no line is wider, and an answer that is no Enter confirms nothing."""

from __future__ import annotations

import io
import signal
import sys
import time
from pathlib import Path

import click
import pytest

from pacha.cli.notify import reported
from pacha.config.load import parse_config
from pacha.errors import PachaError, Signalled
from pacha.history.log import LogEntry
from pacha.host.context import Context
from pacha.rebuild.undo import RebuildRecord
from pacha.server.check_results import CheckResult
from pacha.server.hosts import Heartbeat, HostStatus, State
from pacha.store.state import StateFolder
from pacha.ui import history, hosts, rebuild
from pacha.ui.console import Console
from pacha.ui.spinner import waiting
from tests.support.terminal import Terminal


def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output of 80 columns."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return made


@pytest.mark.parametrize(("typed", "goes_on"), [("\n", True), ("y\n", True), ("n\n", False), ("no way\n", False)])
def test_only_enter_confirms(monkeypatch: pytest.MonkeyPatch, typed: str, goes_on: bool) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    if goes_on:
        Console().confirm("About to.")
        return
    with pytest.raises(PachaError, match="Nothing was done") as caught:
        Console().confirm("About to.")
    assert typed.strip() in caught.value.why


def test_a_sentence_is_folded_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_terminal(monkeypatch)
    text = "It watches " + ", ".join(f"/tmp/folder/number{number} (7)" for number in range(9))
    Console().tell(text)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 2 and max(map(len, lines)) <= 80
    assert " ".join(terminal.getvalue().split()) == text


def test_a_problem_is_folded_like_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    Console().problems(["bar: " + "its folder is open to others " * 5])
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 1 and max(map(len, lines)) <= 80 and lines[1].startswith("       ")


def test_whoever_waits_sees_that_it_goes_on_and_nothing_of_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with waiting("Pushing"):
        pass
    assert terminal.getvalue() == "", "it did not take long"
    with waiting("Pushing", after=0.01, every=0.01):
        time.sleep(0.1)
    first, *_, wiped, end = terminal.getvalue().split("\r")[1:]
    assert first == "Pushing (0 s)" and not wiped.strip() and end == ""
    with waiting("Pushing", quiet=True, after=0.0):
        time.sleep(0.05)
    assert terminal.getvalue().endswith(f"{wiped}\r")


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), Signalled(signal.SIGINT)])
def test_who_stops_a_push_is_told_what_becomes_of_it(raised: BaseException) -> None:
    here = Context(parse_config("[DEFAULT]\n"), StateFolder(Path("/nonexistent")))
    with pytest.raises(Signalled) as caught, reported(here, by_schedule=False):
        raise raised
    assert caught.value.number == signal.SIGINT and "the next push" in caught.value.state


def test_the_log_and_the_list_of_rebuilds_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch)
    logged = LogEntry("a" * 40, 1e9, "root@vm 127.0.0.1", "", {"changed": 1, "removed": 1})
    assert len(history.log_line(logged, "bar", 2e9)) <= 80
    past = RebuildRecord("20261124T090354.459497832Z-a986cafe", "bar", 1e9, "finished")
    assert len(rebuild.past_line(past)) <= 80 and past.id not in rebuild.past_line(past)


def test_a_long_line_of_the_log_is_folded_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch)
    logged = LogEntry("a" * 40, 1e9, "root@vm 127.0.0.1", "why it was done " * 9, {"changed": 1, "removed": 1})
    lines = history.log_line(logged, "bar", 2e9).decode().splitlines()
    assert len(lines) > 2 and max(map(len, lines)) <= 80 and {line[:14] for line in lines[1:]} == {" " * 14}


def test_what_goes_through_a_pager_ends_without_an_empty_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "at_terminal", lambda: True)
    paged: list[str] = []
    monkeypatch.setattr(click, "echo_via_pager", lambda lines, color: paged.extend(lines))
    history.show([b"one\n", b"two\n"])
    assert "".join(paged) == "one\ntwo"  # click writes the last end
    history.show([])
    assert "".join(paged) == "one\ntwo", "no pager, and no line, for nothing"


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
