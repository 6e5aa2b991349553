"""What a check of the doctor says, and the exit code of all of them."""

from __future__ import annotations

import pytest

from pacha.errors import ExitCode
from pacha.host.doctor_check import Check, exit_code, room
from pacha.ui import overview

FINE = Check(about="clock", result="fine", master="m1")


def lost(master: str) -> Check:
    return Check(about="login", result="no answer", master=master, code=ExitCode.UNREACHABLE)


def test_a_small_disk_is_not_said_to_have_nothing() -> None:
    assert "24 MiB free" in room("the hosts folder", 24 << 20, "Make room.").result
    assert "2.0 GiB free" in room("the hosts folder", 2 << 30, "Make room.").result


def test_a_master_is_named_once() -> None:
    named = Check(about="login", result="master.example.com does not let us in.", master="master.example.com")
    assert overview.check_text(named).count("master.example.com") == 1
    heading = overview.master_heading(named, "")
    assert heading == "On the master master.example.com:" and overview.master_heading(named, named.master) == ""


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([FINE], ExitCode.DONE),
        ([FINE, Check(about="clock", result="it is wrong", code=ExitCode.CONCERNS)], ExitCode.CONCERNS),
        ([FINE, lost("m2")], ExitCode.CONCERNS),
        ([lost("m1"), lost("m2")], ExitCode.UNREACHABLE),
        ([lost("m1"), Check(about="configuration", result="no", code=ExitCode.CONFIG)], ExitCode.CONFIG),
    ],
)
def test_the_exit_code_is_that_of_the_worst_unless_another_master_answers(checks: list[Check], code: ExitCode) -> None:
    assert exit_code(checks) == code
