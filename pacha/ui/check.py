"""The result of a host's check: for people, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacha.ui.console import size_text
from pacha.ui.times import moment, utc

if TYPE_CHECKING:
    from pacha.server.check_results import CheckResult


def check_json(result: CheckResult) -> dict[str, Any]:
    """The result of a check, for programs."""
    return {
        "host": result.host,
        "at": utc(result.at),
        "exit": result.code,
        "snapshot": result.tip or None,
        "snapshot_at": utc(result.made),
        "files": result.files,
        "size": result.size,
        "purged": result.purged,
        "sealed": result.sealed,
        "rehearsed": result.rehearsed,
        "signature": result.signature or None,
        "signer": result.signer or None,
        "faults": list(result.faults),
        "seconds": round(result.seconds, 3),
    }


def check_lines(result: CheckResult) -> list[str]:
    """The result of a check, for people: lines."""
    summary = f"snapshot {result.tip[:12]} of {moment(result.made)}, {result.files} files, {size_text(result.size)}"
    summary += f", {result.purged} purged" if result.purged else ""
    summary += f", {result.sealed} sealed" if result.sealed else ""
    summary += f", {result.signature}" if result.signature else ""
    summary += f" by {result.signer}" if result.signer else ""
    kind = "rehearsed" if result.rehearsed else "whole"
    failure = result.faults[0] if result.faults else "failed"
    first = failure if result.code else f"{kind}: {summary} ({result.seconds:.1f} s)"
    return [f"{result.host}: {first}", *(f"{result.host}: {fault}" for fault in result.faults[1:] if result.code)]
