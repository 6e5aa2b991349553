"""How things stand when something ends a rebuild, by its journal; and when what is done cannot be told."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest

from pacha.errors import PachaError, Signalled, UntoldError
from pacha.machine.packages import installer
from pacha.rebuild.interruption import explained, told
from pacha.restore.journal import Journal


def ended(state: Path, error: BaseException, *marks: str) -> BaseException:
    """What is raised when ``error`` ends a rebuild that came to these ``marks``."""
    with pytest.raises(BaseException) as caught, explained(os.fsencode(state)):
        if marks:
            journal = Journal.begin(os.fsencode(state))
            for mark in filter(None, marks):
                journal.mark(mark)
            journal.close()
        raise error
    return caught.value


def standing(state: Path, *marks: str) -> str:
    error = ended(state, Signalled(15), *marks)
    assert isinstance(error, Signalled) and error.number == 15
    return error.state


def test_how_far_it_came_is_told(tmp_path: Path) -> None:
    untouched, half, placed = (standing(tmp_path, *marks) for marks in ((), ("written",), ("written", "finished")))
    assert len({untouched, half, placed}) == 3
    assert "pacha undo" in half and "pacha undo" in placed and "undo" not in untouched
    assert standing(tmp_path) == untouched, "what earlier rebuilds came to does not count"
    assert standing(tmp_path, "") == standing(tmp_path, "written", "stopped") == untouched


def test_packages_that_were_being_installed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = standing(tmp_path)
    monkeypatch.setattr(installer, "is_begun", lambda: True)
    assert "Packages" in standing(tmp_path) and standing(tmp_path) != untouched
    assert "pacha undo" in standing(tmp_path, "written")


@pytest.mark.parametrize(
    ("error", "number"),
    [(KeyboardInterrupt(), signal.SIGINT), (BrokenPipeError(), signal.SIGPIPE), (Signalled(1), signal.SIGHUP)],
)
def test_each_end_has_its_signal(tmp_path: Path, error: BaseException, number: int) -> None:
    raised = ended(tmp_path, error)
    assert isinstance(raised, Signalled) and raised.number == number


def test_what_the_system_refuses_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    raised = ended(tmp_path, OSError(errno.ENOSPC, "No space left", "/full\x1b"), "written")
    assert isinstance(raised, PachaError) and raised.code == "system-refused-rebuild"
    assert "/full" in raised.why and raised.why.isprintable() and "pacha undo" in raised.hint


def test_too_little_memory_is_the_systems_refusal(tmp_path: Path) -> None:
    raised = ended(tmp_path, MemoryError(), "written")
    assert isinstance(raised, PachaError) and raised.code == "system-refused-rebuild"
    assert raised.why == os.strerror(errno.ENOMEM) and "pacha undo" in raised.hint


@pytest.mark.parametrize("error", [OSError(errno.ENOTDIR, "x"), ValueError(), PachaError("x", code="x")])
def test_what_is_a_fault_of_ours_stays_one(tmp_path: Path, error: Exception) -> None:
    assert ended(tmp_path, error) is error


def test_what_cannot_be_printed_is_kept_elsewhere() -> None:
    with pytest.raises(UntoldError) as caught, told("All is in place", "Report: /r"):
        raise OSError(errno.ENOSPC, "No space left")
    assert caught.value.hint == "Report: /r" and caught.value.exit_code == 3
    with pytest.raises(BrokenPipeError), told("x", "y"):
        raise BrokenPipeError
