"""``pacha`` alone, and the rows of the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacha.config.keys import STANDALONE
from pacha.errors import ExitCode
from pacha.text import escape
from pacha.ui.console import styled, wrapped
from pacha.ui.times import moment

if TYPE_CHECKING:
    from pacha.host.doctor_check import Check
    from pacha.host.overview import Overview

_ABOUT = "Pacha keeps the folders that matter under version on a master, over SSH,\nand puts a lost host back exactly."
_FOOT = "All commands: pacha --help"


def overview_text(overview: Overview) -> str:
    """The screen of ``pacha`` without a command."""
    lines = [*overview.lines, *([("last push", moment(overview.succeeded))] if overview.succeeded else [])]
    width = max(len(command) for command, _ in overview.steps)
    return "\n".join(
        [
            *(_ABOUT, ""),
            *(wrapped(f"{name + ':':<18}", text) for name, text in lines),
            *("", "Next:"),
            *(f"  {styled(f'{command:<{width}}', 'bold')}  {aim}" for command, aim in overview.steps),
            *("", _FOOT),
        ]
    )


def check_text(check: Check) -> str:
    """One row of the doctor's table: verdict, subject, result; below it how to fix it."""
    mark, colour = ("ok  ", "green") if check.code == ExitCode.DONE else ("LOOK", "yellow")
    if check.code in (ExitCode.CONFIG, ExitCode.UNREACHABLE):
        mark, colour = "BAD ", "red"
    start = f"{mark}  {check.about:<15}"
    rows = [styled(mark, colour) + wrapped(start, check.result)[len(mark) :]]
    if check.cure:
        rows.append(wrapped(" " * len(start) + "To fix it: ", check.cure, len(start)))
    return "\n".join(rows)


def master_heading(check: Check, shown: str) -> str:
    """The line above the first of the checks of a master, "" for any other; ``shown``: the master of the last one."""
    alone = check.master in ("", STANDALONE)
    return "" if alone or check.master == shown else f"On the master {escape(check.master)}:"


def check_json(check: Check) -> dict[str, Any]:
    """The same for programs."""
    return {
        "check": check.about,
        "master": check.master or None,
        "fine": check.code == ExitCode.DONE,
        "result": check.result,
        "cure": check.cure or None,
        "code": int(check.code),
        "error": check.error or None,
    }
