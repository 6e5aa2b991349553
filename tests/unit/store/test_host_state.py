"""What this machine remembers of itself: which snapshots are its own."""

from __future__ import annotations

from pacha.store.host_state import HostState, MasterState


def test_a_snapshot_that_it_made_adopted_or_sent_is_remembered() -> None:
    state = HostState(tip="a", made=("b", 1.0), masters={"m": MasterState(sent={"db": "c", "foo": "d"})})
    assert [node for node in "abcde" if state.remembers(node)] == ["a", "b", "c"]
    assert not HostState().remembers("a")
