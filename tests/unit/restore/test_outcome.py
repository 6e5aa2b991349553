"""What a run came to: what is owed, what is only named, and what is not touched any more."""

from __future__ import annotations

from pacha.errors import Concern
from pacha.restore.outcome import Outcome, OutcomeBuilder
from pacha.restore.plan import Action


def test_what_failed_is_owed_named_and_left_alone() -> None:
    builder = OutcomeBuilder()
    builder.fail(b"/b", "no room")
    builder.trouble(b"/a", "owner not set", "mode not set")
    builder.concern(b"/c", "look")
    assert (builder.failed, builder.troubled) == ({b"/b"}, {b"/a", b"/b"})
    outcome = builder.outcome((Concern(b"/z", "planned"),))
    assert outcome.unrestored == (b"/a", b"/b")
    assert [concern.path for concern in outcome.concerns] == [b"/z", b"/b", b"/a", b"/c"]
    assert outcome.concerns[2].reason == "owner not set, mode not set"


def test_what_came_in_another_order_is_told_by_path() -> None:
    builder = OutcomeBuilder()
    for path in (b"/z", b"/c", b"/a"):
        builder.concern(path, "look")
    builder.put_in_order(1)
    assert [concern.path for concern in builder.concerns] == [b"/z", b"/a", b"/c"]


def test_it_does_not_change_any_more_when_it_was_given() -> None:
    builder = OutcomeBuilder()
    builder.counts[Action.CREATE] += 1
    builder.corrected.append(b"/x")
    outcome = builder.outcome()
    builder.counts[Action.CREATE] += 1
    builder.fail(b"/b", "late")
    assert outcome == Outcome({Action.CREATE: 1}, corrected=(b"/x",))
