"""What is shown at a terminal of 80 columns: no line is wider, and an answer that is no Enter confirms nothing."""

from __future__ import annotations

import io
import os
import select
import sys
import threading

import click
import pytest

from pacha.errors import PachaError
from pacha.history.log import LogEntry
from pacha.rebuild.undo import RebuildRecord
from pacha.ui import history, rebuild
from pacha.ui.console import Console
from tests.support.terminal import Terminal, at_terminal


@pytest.mark.parametrize(("typed", "goes_on"), [("\n", True), ("y\n", True), ("n\n", False), ("no way\n", False)])
def test_only_enter_confirms(monkeypatch: pytest.MonkeyPatch, typed: str, goes_on: bool) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    if goes_on:
        Console().confirm("About to.")
        return
    with pytest.raises(PachaError, match="Nothing was done") as caught:
        Console().confirm("About to.")
    assert typed.strip() in caught.value.why


@pytest.mark.parametrize("typed", ["\n", "y\n", "\n\n\n"])
def test_nothing_that_is_piped_confirms_what_is_asked_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    with pytest.raises(PachaError) as caught:
        rebuild.confirm_at_terminal(Console(), "About to.")
    assert caught.value.code == "not-confirmed" and "--yes" in caught.value.hint


def test_what_was_typed_before_the_question_does_not_answer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"\n\n")
    while not select.select([theirs], [], [], 1)[0]:
        pass
    with open(theirs, encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        timer = threading.Timer(0.3, os.write, (ours, b"no\n"))
        timer.start()
        with pytest.raises(PachaError) as caught:
            rebuild.confirm_at_terminal(Console(), "About to.")
        timer.join()
    os.close(ours)
    assert "'no' was typed" in caught.value.why


def test_what_goes_on_is_for_stderr_where_a_program_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Console().say_meanwhile("one of many")
    assert capsys.readouterr() == ("", "one of many\n")
    Console(quiet=True).say_meanwhile("one of many")
    assert capsys.readouterr() == ("", "")
    terminal = at_terminal(monkeypatch)
    Console().say_meanwhile("one of many")
    assert terminal.getvalue() == "one of many\n" and capsys.readouterr().err == ""


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


def test_the_log_and_the_list_of_rebuilds_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    at_terminal(monkeypatch)
    logged = LogEntry("a" * 40, 1e9, "root@vm 127.0.0.1", "", {"changed": 1, "removed": 1})
    assert len(history.log_line(logged, "bar", 2e9)) <= 80
    past = RebuildRecord(id="20261124T090354.459497832Z-a986cafe", host="bar", at=10**9, state="finished")
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
