"""The newest rebuild that changed something is undone, once; what would be done is told beforehand."""

from __future__ import annotations

import os

import pytest

from pacha.errors import PachaError
from pacha.rebuild import rebuild, undo
from pacha.restore.journal import Journal
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.fixture
def rebuilt(bar: Standalone) -> Standalone:
    """``bar`` after a rebuild that replaced an edited file."""
    bar.push()
    (bar.tree / "one").write_text("edited\n")
    rebuild.rebuild(bar.context(), "bar")
    return bar


def text(bar: Standalone) -> str:
    return (bar.tree / "one").read_text()


def test_what_it_replaced_comes_back(rebuilt: Standalone) -> None:
    assert text(rebuilt) == "one\n"
    record, steps = undo.propose(rebuilt.context())
    assert [step.path for step in steps] == [rebuilt.path + b"/one"] and text(rebuilt) == "one\n"
    undone = undo.undo(rebuilt.context())
    assert undone.record == record and undone.outcome.concerns == () and text(rebuilt) == "edited\n"
    assert [(each.host, each.state) for each in undo.rebuilds(rebuilt.context())] == [("bar", "undone")]


def test_who_is_asked_may_say_no(rebuilt: Standalone) -> None:
    class No(Exception): ...

    def refuse(record: undo.RebuildRecord) -> None:
        assert record.state == "finished"
        raise No

    with pytest.raises(No):
        undo.undo(rebuilt.context(), refuse)
    assert text(rebuilt) == "one\n"


def test_without_a_change_there_is_nothing_to_undo(rebuilt: Standalone) -> None:
    rebuild.rebuild(rebuilt.context(), "bar")
    assert undo.rebuilds(rebuilt.context())[0].state == "finished, nothing to undo"
    undo.undo(rebuilt.context())  # the one before it
    for act in (undo.undo, undo.propose):
        with pytest.raises(PachaError) as caught:
            act(rebuilt.context())
        assert caught.value.code == "nothing-to-undo"


def test_one_that_was_killed_before_its_first_change_is_undone_before_another(rebuilt: Standalone) -> None:
    """A push refuses to go on after it, and names 'pacha undo'."""
    killed = Journal.begin(os.fsencode(rebuilt.context().state.path), "bar")
    killed.close()
    record, steps = undo.propose(rebuilt.context())
    assert (record.id, record.state, steps) == (killed.id, "unfinished", ())
    undo.undo(rebuilt.context())
    assert text(rebuilt) == "one\n" and [each.state for each in undo.rebuilds(rebuilt.context())] == [
        "undone",
        "finished",
    ]
    undo.undo(rebuilt.context())
    assert text(rebuilt) == "edited\n"
