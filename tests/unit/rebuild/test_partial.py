"""A part of a host, or an older snapshot: what is restored of it, and what it settles of what is owed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import UsageError
from pacha.rebuild import partial
from pacha.rebuild.options import DEFAULTS
from pacha.restore.journal import Journal
from pacha.restore.journal_records import Altered
from pacha.restore.outcome import Outcome
from pacha.restore.plan import Action
from pacha.store.host_state import Renumbering
from pacha.store.selection import Selection
from tests.support.proposing import TIP, proposal, rebuilt, step
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

PART = Selection(((b"/w/f",),))
FETCHED = rebuilt(proposal()).fetched


@pytest.mark.parametrize(
    ("options", "partial_"),
    [({}, False), ({"target": b"/t"}, False), ({"at": "yesterday"}, True), ({"asked": PART}, True)],
)
def test_less_than_all_of_the_newest_is_a_part(options: dict[str, object], partial_: bool) -> None:
    assert partial.is_partial(replace(DEFAULTS, **options)) is partial_  # type: ignore[arg-type]


def test_what_is_restored_is_named_as_on_disk() -> None:
    rehearsal = replace(DEFAULTS, target=b"/t")
    part = replace(FETCHED, roots=(b"/w/f",))
    assert partial.restored_roots(DEFAULTS, FETCHED) == ()
    assert partial.restored_roots(rehearsal, FETCHED) == (b"/t/w",)
    assert partial.restored_roots(DEFAULTS, part) == (b"/w/f",)
    assert partial.restored_roots(rehearsal, part) == (b"/t/w/f",)


def test_a_file_that_is_parted_from_its_other_names_is_named_if_it_is_written() -> None:
    split = replace(FETCHED, split_hardlinks=frozenset([b"/w/a", b"/w/b"]))
    planned = proposal(step(Action.CREATE, b"/w/a"), step(Action.SAME, b"/w/b"), step(Action.REPLACE, b"/w/c")).preview
    warned = partial.with_split_hardlink_warnings(planned, DEFAULTS, split)
    assert [concern.path for concern in warned.plan.concerns] == [b"/w/a"]
    assert partial.with_split_hardlink_warnings(planned, DEFAULTS, FETCHED) == planned


def test_a_part_does_not_go_on_where_owners_are_half_changed(bar: Standalone) -> None:
    here = bar.context()
    part = replace(DEFAULTS, asked=PART)
    assert not partial.interrupted_renumbering(here, part).moved
    here.state.update(moving=Renumbering(users={1: 2}))
    journal = Journal.begin(os.fsencode(here.state.path))
    journal.write(Altered(path=b"/x", old=(1, 2), uid=1, gid=0, mode=0o644, mtime_ns=5, xattrs=()))
    journal.mark("written")
    journal.close()
    with pytest.raises(UsageError) as caught:
        partial.interrupted_renumbering(here, part)
    assert caught.value.code == "renumbering-unfinished"
    assert partial.interrupted_renumbering(here, DEFAULTS).moved.users == {1: 2}
    assert partial.interrupted_renumbering(here, replace(part, target=b"/t")).found == {}, "another machine's"


def test_a_part_of_our_own_newest_snapshot_settles_what_it_restores(bar: Standalone, tmp_path: Path) -> None:
    here = bar.context()
    plan = proposal(step(Action.CREATE, b"/w/a"), step(Action.CREATE, b"/w/b")).preview.plan

    def settled(host: str = "bar", newest: bool = True) -> set[bytes]:
        here.state.update(tip=TIP, owed={b"/w/a": "absent", b"/w/z": "absent"})
        fetched = replace(FETCHED, newest=newest)
        partial.settle_owed(here, host, fetched, plan, Outcome(unrestored=(b"/w/b",)))
        return set(here.state.read().owed)

    assert settled() == {b"/w/b", b"/w/z"}
    assert settled(newest=False) == settled(host="foo") == {b"/w/a", b"/w/z"}


def test_what_could_not_be_restored_is_remembered_and_nothing_else(bar: Standalone) -> None:
    state = bar.context().state
    state.update(owed={b"/w/old": "absent"})
    partial.remember_outcome(state, FETCHED.snapshot, Outcome(unrestored=(b"/w/f",)))
    assert state.read().owed == {b"/w/f": "absent"}
    partial.remember_outcome(state, FETCHED.snapshot, Outcome())
    assert state.read().owed == {}
