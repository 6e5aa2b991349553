"""The state of this host from what is remembered here: what was sent, what is late, whether all is fine."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from pacha.errors import Concern
from pacha.host import doctor, overview
from pacha.host.status import MasterStatus, Status, status
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
MASTER = MasterStatus(name="m", succeeded=1.0, tried=1.0, failure="", unsent=0, current=True)
FINE = Status(
    host="bar", machine="1", frequency=12, watched=1, tried=1.0, succeeded=1.0, failure="", cure="", next_due=2.0,
    overdue=False, running="", tip="ab", masters=(MASTER,), concerns=(), owed=(), unfinished=(),
    left_out={b"/s": "a socket"},
    schedule=(),
)  # fmt: skip


def test_before_the_first_push_nothing_is_fine(bar: Standalone) -> None:
    found = status(bar.context())
    assert (found.host, found.watched, found.tip, found.succeeded, found.next_due) == ("bar", 1, "", 0, 0)
    assert not found.fine and found.masters == (replace(MASTER, name="local", succeeded=0, tried=0, current=False),)


def test_a_push_that_reached_the_master_is_current_and_what_came_after_is_unsent(bar: Standalone) -> None:
    first = bar.push().tip
    found = status(bar.context())
    assert found.fine and found.tip == first and found.masters[0].current and found.masters[0].unsent == 0
    (bar.tree / "one").write_text("changed\n")
    bar.push()
    known = bar.context().state.read().masters["local"]
    bar.context().state.update(masters={"local": replace(known, sent={**known.sent, "db": first})})
    (late,) = status(bar.context()).masters
    assert (late.unsent, late.current) == (1, False) and not status(bar.context()).fine
    bar.context().state.update(masters={})
    assert status(bar.context()).masters[0].unsent == 2


def test_one_that_is_overdue_needs_a_look(bar: Standalone) -> None:
    bar.push()
    bar.context().state.update(succeeded=time.time() - 3 * 24 * 3600)
    found = status(bar.context())
    assert found.overdue and not found.fine and found.next_due < time.time()


@pytest.mark.parametrize(
    "change",
    [{"failure": "x"}, {"overdue": True}, {"succeeded": 0.0}, {"concerns": (Concern(b"/a", "x"),)}, {"owed": (b"/a",)},
     {"services_owed": ("a.service",)},
     {"unfinished": ("id",)}, {"masters": (replace(MASTER, unsent=1),)}, {"masters": (replace(MASTER, failure="x"),)}],
)  # fmt: skip
def test_what_needs_a_look(change: dict[str, object]) -> None:
    assert FINE.fine and not replace(FINE, **change).fine  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"failure": "x"}, {"overdue": True}, {"masters": (replace(MASTER, unsent=1),)}])
def test_a_push_that_is_at_work_has_not_failed_yet(change: dict[str, object]) -> None:
    assert replace(FINE, running="process 1", **change).fine  # type: ignore[arg-type]


def test_while_a_push_is_at_work_nothing_says_that_it_failed(bar: Standalone) -> None:
    bar.push()
    context = bar.context()
    context.state.update(failure="The last push was interrupted.", cure="x")
    with context.state.locked(work="push"):
        found = status(context)
        assert found.running and (found.failure, found.cure) == ("", "") and found.fine
        shown = dict(overview.overview(context).lines)
        assert "last push failed" not in shown and "process" in shown["at work now"]
        [last] = [
            check for check in doctor.inspect(lambda: context.config, context.state) if check.about == "last push"
        ]
        assert not last.code and "process" in last.result
    with context.state.locked(work="rebuild"):
        assert status(context).failure, "that one is over"
    assert status(context).failure


def test_a_success_in_the_future_does_not_put_the_next_push_off(bar: Standalone) -> None:
    bar.push()
    bar.context().state.update(succeeded=time.time() + 365 * 24 * 3600)
    assert status(bar.context()).next_due == 0
