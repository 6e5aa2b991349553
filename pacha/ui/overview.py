"""``pacha`` alone, and the rows of the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacha.errors import ExitCode
from pacha.ui.console import styled, wrapped
from pacha.ui.times import moment

if TYPE_CHECKING:
    from pacha.host.doctor import Check
    from pacha.host.overview import Overview

_ABOUT = "Pacha keeps the folders that matter under version on a master, over SSH,\nand puts a lost host back exactly."
_FOOT = "All commands: pacha --help"


def overview_text(found: Overview) -> str:
    """One screen for whoever types ``pacha`` alone."""
    lines = [*found.lines, *([("last push", moment(found.succeeded))] if found.succeeded else [])]
    width = max(len(command) for command, _ in found.steps)
    return "\n".join(
        [
            *(_ABOUT, ""),
            *(wrapped(f"{name + ':':<18}", text) for name, text in lines),
            *("", "Next:"),
            *(f"  {styled(f'{command:<{width}}', 'bold')}  {aim}" for command, aim in found.steps),
            *("", _FOOT),
        ]
    )


def check_text(one: Check) -> str:
    """One row of the doctor's table: how it is, what was looked at, what was found; below it how to fix it."""
    mark, colour = ("ok  ", "green") if one.code == ExitCode.DONE else ("LOOK", "yellow")
    if one.code in (ExitCode.CONFIG, ExitCode.UNREACHABLE):
        mark, colour = "BAD ", "red"
    start = f"{mark}  {one.about:<15}"
    text = f"{one.master}: {one.result}" if one.master and one.master not in one.result else one.result
    rows = [styled(mark, colour) + wrapped(start, text)[len(mark) :]]
    if one.cure:
        rows.append(wrapped(" " * len(start) + "To fix it: ", one.cure, len(start)))
    return "\n".join(rows)


def check_json(one: Check) -> dict[str, Any]:
    """The same for programs."""
    return {
        "check": one.about,
        "master": one.master or None,
        "fine": one.code == ExitCode.DONE,
        "result": one.result,
        "cure": one.cure or None,
        "code": int(one.code),
        "error": one.error or None,
    }
