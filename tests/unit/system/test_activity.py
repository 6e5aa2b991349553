"""What is being done is counted."""

from __future__ import annotations

from pacha.system import activity
from pacha.system.child import run_in_child


def test_what_begins_is_counted_from_nothing() -> None:
    activity.begin("reading", 3)
    activity.advance(1, 100)
    activity.advance(size=50)
    now = activity.current()
    activity.sent(4000)  # meanwhile: what is read is not counted twice
    assert (now.what, now.total, now.done, now.size) == ("reading", 3, 1, 150) and now.rate > 0
    assert now.counted == 1
    found = [1]
    activity.begin("looking", counter=found.__len__)
    found.append(2)
    assert activity.current().counted == 2
    activity.begin("sending")
    assert activity.current().counted == 0
    assert (activity.current().done, activity.current().size) == (0, 0)
    activity.sent(4000)
    assert activity.current().size == 4000


def test_what_a_child_process_counts_is_seen_here_and_never_more_than_a_number() -> None:
    def work() -> bytes:
        activity.advance(2)
        activity.advance(5)
        return b""

    activity.begin("checking", shared=True)
    run_in_child(work)
    assert activity.current().counted == 7
    shared = activity.current().shared
    assert shared is not None
    shared[:] = b"\xff" * 8
    assert activity.current().counted == 2**64 - 1
    activity.begin("checking the next", shared=True)
    assert activity.current().counted == 0
