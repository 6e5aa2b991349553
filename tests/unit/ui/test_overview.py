"""``pacha`` alone is one screen with every line and every step; a row of the doctor has its mark by its code."""

from __future__ import annotations

import json

import pytest

from pacha.errors import ExitCode
from pacha.host.doctor_check import Check
from pacha.host.overview import Overview
from pacha.ui.overview import check_json, check_text, master_heading, overview_text


def test_every_line_and_every_step_is_shown_in_its_order() -> None:
    text = overview_text(
        Overview((("master", "m"), ("watched", "/etc")), 0.0, (("pacha a", "do a"), ("pacha bb", "b")))
    )
    places = [text.index(word) for word in ("master:", "/etc", "pacha a ", "do a", "pacha bb")]
    assert places == sorted(places) and len(text.splitlines()) <= 24
    assert text.index("do a") - text.index("pacha a ") == text.rindex("  b") + 2 - text.index("pacha bb")


def test_the_last_push_is_told_where_there_was_one() -> None:
    never, once = (overview_text(Overview((), at, (("pacha push", "x"),))) for at in (0.0, 1e9))
    assert "last push" not in never and "2001-09-09" in once


@pytest.mark.parametrize(
    ("code", "mark"),
    [
        (ExitCode.DONE, "ok"), (ExitCode.CONCERNS, "LOOK"), (ExitCode.FAILED, "LOOK"), (ExitCode.CONFIG, "BAD"),
        (ExitCode.UNREACHABLE, "BAD"),
    ],
)  # fmt: skip
def test_the_mark_of_a_row_is_that_of_its_code(code: ExitCode, mark: str) -> None:
    assert check_text(Check(about="clock", result="it is wrong", code=code)).split()[0] == mark


def test_the_rows_of_a_master_are_under_its_name_and_have_their_cure_below() -> None:
    row = Check(about="sshd", result="it does not answer", master="m1", cure="start it")
    assert master_heading(row, "") == master_heading(row, "m2") == "On the master m1:" and not master_heading(row, "m1")
    assert not master_heading(Check(about="clock", result="fine", master="local"), "")
    assert not master_heading(Check(about="clock", result="fine"), "m1")
    assert "m1" not in check_text(row) and check_text(row).splitlines()[1].endswith("start it")


def test_programs_get_null_for_what_there_is_not() -> None:
    row = check_json(Check(about="clock", result="fine"))
    assert row == {
        "check": "clock", "master": None, "fine": True, "result": "fine", "cure": None, "code": 0, "error": None,
    }  # fmt: skip
    bad = check_json(Check(about="a", result="b", code=ExitCode.CONFIG, error="no-configuration", master="m", cure="c"))
    assert (bad["fine"], bad["code"], bad["error"]) == (False, 10, "no-configuration")
    assert json.loads(json.dumps(bad)) == bad
