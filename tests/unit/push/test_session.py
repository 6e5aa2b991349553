"""One push: its state is that of the state folder, and what hinders one master does not stop the push."""

from __future__ import annotations

import pytest

from pacha.errors import Concern, PachaError
from pacha.push import connect
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
BROKEN = PachaError("It broke.", "why", "Mend it.", code="it-broke")


def test_what_is_updated_is_so_here_and_in_the_folder(bar: Standalone) -> None:
    session = bar.session()
    session.update(tip="ab", pending=True)
    assert session.state == bar.context().state.read() and session.state.tip == "ab"


def test_what_became_of_each_master_is_recorded(bar: Standalone) -> None:
    failed = bar.session()
    failed.fail(failed.targets[0], BROKEN)
    failed.concerns += [Concern(b"/%d" % number, "x") for number in range(150)]
    failed.record()
    state = bar.context().state.read()
    assert (state.failure, state.cure, state.succeeded) == ("It broke. why", "Mend it.", 0)
    assert len(state.concerns) == 100 and state.masters["local"].failure == "It broke. why"
    well = bar.session()
    with connect.connecting(well) as connections:
        connect.attach(well, connections)
    well.record()
    state = bar.context().state.read()
    assert (state.failure, state.cure, state.concerns) == ("", "", ()) and state.succeeded > 0


def test_a_note_says_who_and_has_nothing_that_a_terminal_obeys(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "evil\x1b[2J")
    session = bar.session()
    session.message = "why\x1b\nsecond\n"
    note = session.note("bar: 1 added")
    assert note.user.startswith("evil") and note.user.isprintable() and note.at > 0
    assert all(line.isprintable() for line in note.message.splitlines()) and "second" in note.message


def test_how_long_our_own_history_is(bar: Standalone) -> None:
    assert bar.session().history() == 0
    bar.push()
    assert bar.session().history() == bar.context().state.read().history > 0
