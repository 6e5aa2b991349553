"""The result of a host's check: for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacha.ui.console import size_text
from pacha.ui.times import moment, utc

if TYPE_CHECKING:
    from pacha.server.check_results import CheckResult


def check_json(checked: CheckResult) -> dict[str, Any]:
    """What a check came to, for programs."""
    return {
        "host": checked.host,
        "at": utc(checked.at),
        "exit": checked.code,
        "snapshot": checked.tip or None,
        "snapshot_at": utc(checked.made),
        "files": checked.files,
        "size": checked.size,
        "rehearsed": checked.rehearsed,
        "faults": list(checked.faults),
        "seconds": round(checked.seconds, 3),
    }


def check_lines(one: CheckResult) -> list[str]:
    """What a check came to, for people: lines."""
    what = f"snapshot {one.tip[:12]} of {moment(one.made)}, {one.files} files, {size_text(one.size)}"
    how = "rehearsed" if one.rehearsed else "whole"
    first = f"{how}: {what} ({one.seconds:.1f} s)" if not one.code else f"{one.faults[0] if one.faults else 'failed'}"
    return [f"{one.host}: {first}", *(f"{one.host}: {fault}" for fault in one.faults[1:] if one.code)]
