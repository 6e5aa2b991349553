"""Errors carry what the user needs, and the exit codes are the published ones."""

from __future__ import annotations

import errno
import pickle
import re
from pathlib import Path

import pytest

from pacha import errors
from pacha.errors import Concern, ExitCode, PachaError
from pacha.ui.console import Console

#: The contract, written down a second time on purpose: a change of a code must be made twice to pass.
CONTRACT = {
    "DONE": 0,
    "FAILED": 1,
    "USAGE": 2,
    "CONCERNS": 3,
    "CONFIG": 10,
    "UNREACHABLE": 11,
    "LOCKED": 12,
    "DAMAGED": 13,
    "SIGNAL": 128,
}
CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = {
    "PachaError": ExitCode.FAILED,
    "UsageError": ExitCode.USAGE,
    "ConfigError": ExitCode.CONFIG,
    "UnreachableError": ExitCode.UNREACHABLE,
    "LockedError": ExitCode.LOCKED,
    "DamagedError": ExitCode.DAMAGED,
    "UntoldError": ExitCode.CONCERNS,
    "PurgedError": ExitCode.CONCERNS,
    "SealedError": ExitCode.CONCERNS,
}


def test_the_exit_codes_are_the_contract() -> None:
    assert {code.name: code.value for code in ExitCode} == CONTRACT


def test_every_kind_of_error_has_its_code_and_there_is_no_other() -> None:
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    found = {name: kind.exit_code for name, kind in kinds.items() if issubclass(kind, PachaError)}
    assert found == KINDS


@pytest.mark.parametrize("name", KINDS)
def test_an_error_says_what_why_and_what_next(name: str) -> None:
    error = getattr(errors, name)("what", "why", "next", code="it-broke")
    assert (error.message, error.why, error.hint, str(error)) == ("what", "why", "next", "what")
    short = getattr(errors, name)("what", code="it-broke")
    assert (short.why, short.hint, short.code) == ("", "", "it-broke")


@pytest.mark.parametrize("name", KINDS)
def test_an_error_passes_to_another_process_with_all_it_says(name: str) -> None:
    error = getattr(errors, name)("what", "why", "next", code="it-broke", subject="/a")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), vars(again), str(again)) == (type(error), vars(error), "what")


def test_more_advice_leaves_the_error_as_it_is() -> None:
    error = PachaError("what", "why", "next", code="it-broke")
    more = error.with_advice("or this")
    assert (more.hint, more.fault, str(more)) == ("next or this", error.fault, "what")
    assert error.hint == "next"


def test_faults_are_told_apart_by_kind_code_and_subject() -> None:
    one = PachaError("what", code="it-broke", subject="/a")
    assert one.fault == PachaError("in other words", code="it-broke", subject="/a").fault
    assert one.fault != PachaError("what", code="it-broke", subject="/b").fault
    assert one.fault != PachaError("what", code="it-tore", subject="/a").fault


def test_the_code_is_shown_to_whoever_asks_for_more(capsys: pytest.CaptureFixture[str]) -> None:
    error = PachaError("It broke.", "it was old", "Buy another.", code="it-broke")
    Console(verbose=True).error(error)
    Console().error(error)
    lines = ["       it was old", "       Buy another."]
    assert capsys.readouterr().err.splitlines() == ["pacha: It broke. [it-broke]", *lines, "pacha: It broke.", *lines]


def test_an_error_is_no_system_exit() -> None:
    with pytest.raises(Exception, match=r"^what$"):
        raise PachaError("what", code="it-broke")


def test_a_concern_is_a_value() -> None:
    assert Concern(b"/a", "reason") == Concern(b"/a", "reason")
    assert len({Concern(b"/a", "reason"), Concern(b"/a", "reason")}) == 1
    with pytest.raises(AttributeError):
        Concern(b"/a", "reason").path = b"/b"  # type: ignore[misc]


def test_the_manual_lists_the_same_codes() -> None:
    page = (CHECKOUT / "docs" / "exit-codes.rst").read_text("utf-8")
    found = re.findall(r"^``([0-9]+)(?:\+N)?`` \(``([A-Z]+)``\)$", page, re.MULTILINE)
    assert {name: int(code) for code, name in found} == CONTRACT


def test_the_readme_lists_the_same_codes() -> None:
    page = (CHECKOUT / "README.rst").read_text("utf-8")
    found = re.findall(r"^([0-9]+)(?:\+N)?  +\S", page, re.MULTILINE)
    assert [int(code) for code in found] == list(CONTRACT.values())


HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\u202eevil\r\nx\udcff\u2028"


def test_an_error_and_a_concern_are_safe_to_print_whatever_they_are_made_from() -> None:
    error = PachaError(HOSTILE, HOSTILE, HOSTILE, code="it-broke")
    assert all(text.isprintable() for text in (error.message, error.why, error.hint, str(error), error.in_a_line))
    assert Concern(b"/etc", HOSTILE).reason.isprintable()
    assert PachaError("Ordinary – ünïcode \\ text.", code="it-broke").message == "Ordinary – ünïcode \\ text."


def test_a_refusal_names_the_limit_and_the_path() -> None:
    assert errors.refusal(OSError(errno.EFBIG, "File too large", b"/a\x1b")) == "File too large (ulimit -f): /a\\x1b"
    assert errors.refusal(OSError(errno.EMFILE, "Too many open files")) == "Too many open files (ulimit -n)"
    assert errors.refusal(OSError(errno.ENOSPC, "No space left on device", 7)) == "No space left on device"
    assert {errno.EFBIG, errno.EMFILE, errno.ENOMEM} <= errors.OF_THE_SYSTEM
