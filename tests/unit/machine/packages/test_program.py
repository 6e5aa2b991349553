"""A program of a package manager that fails, hangs or is missing is an error with its own last line."""

from __future__ import annotations

import pytest

from pacha.machine.packages import program
from pacha.machine.packages.program import ProgramError


def why(*script: str) -> str:
    with pytest.raises(ProgramError) as caught:
        program.ask(["/bin/sh", "-c", *script])
    return caught.value.why


def test_what_it_says_comes_back_and_it_finds_no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APT_CONFIG", "/tmp/mine")
    assert program.ask(["/bin/sh", "-c", "echo $APT_CONFIG-$LC_ALL-$HOME; cat"]) == "-C.UTF-8-/\n"


def test_a_failure_is_told_with_its_last_line() -> None:
    assert why("echo first >&2; echo 'E: no\033 lock' >&2; exit 100") == r"sh: E: no\x1b lock"
    assert why("exit 3") == "sh: exit code 3"


def test_one_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SECONDS", 0.2)
    with pytest.raises(ProgramError) as caught:
        program.ask(["/bin/sh", "-c", "sleep 60"])
    assert caught.value.hangs and "no end within 0.2 seconds" in caught.value.why


def test_one_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_MOST", 1000)
    for endless in ("yes", "head -c 2000 /dev/zero; true"):
        assert why(endless) == "sh: it says more than any machine has to tell"


def test_one_that_is_missing() -> None:
    with pytest.raises(ProgramError, match="apt-cache: it cannot be started: No such file"):
        program.ask(["/nowhere/apt-cache"])
    assert program.find("no-such-program") == "" and program.find("no-such-program", "sh") == "/usr/bin/sh"
