"""A difference as it is told, and as it stands in a plan."""

from __future__ import annotations

from dataclasses import replace

from pacha.errors import Concern
from pacha.rebuild.freshness import About, Disagreement, words
from tests.support.proposing import proposal

BEHIND = Disagreement(about=About.OTHER_MASTER, master=b"m1\x1b[m", reason="it is behind")


def test_it_is_a_line_that_is_safe_to_print() -> None:
    assert words(BEHIND) == "m1\\x1b[m: it is behind"


def test_it_comes_first_of_what_is_to_be_looked_at_and_is_asked_about() -> None:
    planned = proposal(concerns=(Concern(b"/w", "other"),)).preview.led_by([BEHIND.concern])
    assert planned.plan.concerns == (Concern(b"m1\x1b[m", "it is behind"), Concern(b"/w", "other"))
    assert not proposal().is_grave and replace(proposal(), differences=(BEHIND,)).is_grave
