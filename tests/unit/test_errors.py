"""Errors carry what the user needs, and the exit codes are the published ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pacha import errors
from pacha.errors import Concern, ExitCode, PachaError

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
}


def test_the_exit_codes_are_the_contract() -> None:
    assert {code.name: code.value for code in ExitCode} == CONTRACT


def test_every_kind_of_error_has_its_code_and_there_is_no_other() -> None:
    kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
    found = {name: kind.exit_code for name, kind in kinds.items() if issubclass(kind, PachaError)}
    assert found == KINDS


@pytest.mark.parametrize("name", KINDS)
def test_an_error_says_what_why_and_what_next(name: str) -> None:
    error = getattr(errors, name)("what", "why", "next")
    assert (error.message, error.why, error.hint, str(error)) == ("what", "why", "next", "what")
    assert (getattr(errors, name)("what").why, getattr(errors, name)("what").hint) == ("", "")


def test_an_error_is_no_system_exit() -> None:
    with pytest.raises(Exception, match=r"^what$"):
        raise PachaError("what")


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
