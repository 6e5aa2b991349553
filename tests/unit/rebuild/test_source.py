"""A rebuild fetches from the master that has what all others have; a part of the past may come from this machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacha.errors import PachaError, UsageError
from pacha.rebuild import source
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.source import MasterOffer
from pacha.store.selection import Selection
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

OLD, NEW, OTHER = ("a1" * 20, "b2" * 20, "c3" * 20)
AHEAD = MasterOffer("ahead", NEW, frozenset({OLD, NEW}))
BEHIND = MasterOffer("behind", OLD, frozenset({OLD}))
APART = MasterOffer("apart", OTHER, frozenset({OTHER}))


def nobody(offers: list[MasterOffer]) -> str:
    raise AssertionError("there is nothing to ask")


def test_the_only_master_and_a_named_one_are_taken_unasked(bar: Standalone) -> None:
    context = bar.context()
    for name in ("", "local"):
        assert source.choose_master(context, "bar", name, nobody, print) == (context, ())
    two = replace(context, config=replace(context.config, hosts=("m1", "m2")))
    chosen, others = source.choose_master(two, "bar", "m2", nobody, print)
    assert chosen.config.masters() == ("m2",) and others == ()
    with pytest.raises(UsageError) as caught:
        source.choose_master(two, "bar", "m3", nobody, print)
    assert caught.value.code == "unknown-master" and "m1, m2" in caught.value.why


def test_the_one_that_has_it_all_is_best() -> None:
    assert source._best([BEHIND, AHEAD], "bar", nobody) == "ahead"
    assert source._best([AHEAD, BEHIND], "bar", None) == "ahead"


def test_where_none_has_it_all_somebody_decides() -> None:
    assert source._best([AHEAD, APART], "bar", lambda offers: offers[1].name) == "apart"
    with pytest.raises(UsageError) as caught:
        source._best([AHEAD, APART], "bar", None)
    assert caught.value.code == "masters-differ" and "--from ahead" in caught.value.hint
    with pytest.raises(PachaError) as none:
        source._best([], "bar", None)
    assert none.value.code == "host-on-no-master"


def test_this_machines_own_history_has_parts_and_the_past_of_itself(bar: Standalone) -> None:
    bar.push("the first")
    context, first = bar.context(), bar.context().state.read().tip
    (bar.tree / "one").write_text("more\n")
    bar.push("the second")
    past, part = RebuildOptions(at=first), RebuildOptions(asked=Selection((), ("foo",)))
    for options in (past, part):
        assert source.local_history_source(context, "bar", options) is not None
        assert source.local_history_source(context, "other", options) is None
        assert source.local_history_source(bar.context("fresh"), "bar", options) is None
        assert source.local_history_source(context, "bar", replace(options, by_master=True)) is None
    assert source.local_history_source(context, "bar", RebuildOptions()) is None, "only a master has the newest"
    assert source.local_history_source(context, "bar", RebuildOptions(at="ffffffffffff")) is None
