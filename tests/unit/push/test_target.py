"""One master of a push: in which order it is sent what it lacks, and what is remembered of it."""

from __future__ import annotations

from pacha.errors import PachaError
from pacha.files.names import DATABASE
from pacha.push.target import MasterTarget, content_first
from pacha.store.host_state import MasterState
from pacha.store.snapshot import Snapshot, Watched
from pacha.wire.master import Master, Probe


class Untouched:
    """A master that nothing is asked of."""

    label = "folder"


def target(last_known: MasterState, probe: Probe) -> MasterTarget:
    master: Master = Untouched()  # type: ignore[assignment]
    attached = MasterTarget(name="local", host="bar", last_known=last_known)
    attached.attach(master, probe)
    return attached


def test_content_goes_first_and_db_last() -> None:
    watched = (
        Watched(path=b"/zoo", single=False, repository="zoo", node="1"),
        Watched(path=b"/a", single=False, repository="a"),
        Watched(path=b"/b", single=False, repository="b", node="2"),
    )
    assert content_first(Snapshot({}, watched), "3") == [("zoo", "1"), ("a", None), ("b", "2"), (DATABASE, "3")]


def test_a_master_as_it_was_left_is_known_to_have_what_was_sent() -> None:
    left = MasterState(changelog="c", contents={"opt": "o"}, sent={DATABASE: "1", "opt": "2"})
    same = target(left, Probe(1.0, "c", contents={"opt": "o"}))
    assert same.db_as_left and same.all_as_left and same.sent == {DATABASE: "1", "opt": "2"}
    other = target(left, Probe(1.0, "c", contents={"opt": "another"}))
    assert other.db_as_left and not other.all_as_left and other.sent == {DATABASE: "1"}
    lost = target(left, Probe(1.0, None))
    assert not lost.db_as_left and lost.sent == {}


def test_a_failure_is_remembered_beside_what_was_known() -> None:
    left = MasterState(changelog="c", sent={DATABASE: "1"}, succeeded=1.0)
    failed = target(left, Probe(1.0, "c"))
    failed.failure = PachaError("It broke.", "why", code="it-broke")
    expected = MasterState(changelog="c", sent={DATABASE: "1"}, succeeded=1.0, tried=2.0, failure="It broke. why")
    assert failed.outcome(2.0) == expected
    failed.failure = None
    assert failed.outcome(3.0) == MasterState(
        changelog="c", contents={}, sent={DATABASE: "1"}, tried=3.0, succeeded=3.0
    ), "a success leaves nothing of it"


def test_what_was_suspect_stays_so_whatever_is_sent_on_top() -> None:
    left = MasterState(changelog="c", contents={"opt": "o"}, sent={DATABASE: "1", "opt": "2"})
    suspect = target(left, Probe(1.0, "c", contents={"opt": "another"}))
    suspect.suspect = frozenset({"opt"})
    assert suspect.outcome(2.0).contents == {"opt": "o"}
