"""The diff of a text file that a rebuild would replace."""

from __future__ import annotations

from collections.abc import Iterator

from pacha.files.entry import Entry
from pacha.rebuild import actual_state
from pacha.rebuild.proposal import Proposal
from pacha.restore.plan import Step
from pacha.store import hg
from pacha.text import escape

_LARGEST = 1 << 20  #: bytes; what is larger is not compared line by line


def text_diff(proposal: Proposal, step: Step) -> Iterator[str]:
    """Yield the lines of a unified diff (printable) of the file of ``step``, or a line that says why there is none."""
    target, actual = step.wanted, step.actual
    if target is None or actual is None or target.kind is not actual.kind or target.sha256 is None:
        return
    if step.path in proposal.sealed:
        yield "sealed content (changed)"
        return
    if max(target.size, actual.size) > _LARGEST:
        yield "too large to be compared here"
        return
    yield from _lines(actual_state.read(actual.path), target, proposal)


def _lines(old: bytes | None, target: Entry, proposal: Proposal) -> Iterator[str]:
    if old is None:
        yield "what is there cannot be read"
        return
    new = b"".join(proposal.content(target))
    if b"\0" in old or b"\0" in new:
        yield f"binary: {len(old)} bytes -> {len(new)} bytes"
        return
    yield from (escape(line[:-1]) for line in hg.unified(old, new))
