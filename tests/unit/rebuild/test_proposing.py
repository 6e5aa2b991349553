"""What a rebuild would do, made from what was fetched and from the disk as it is."""

from __future__ import annotations

from pacha.rebuild import rebuild
from pacha.restore.plan import Action
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_the_plan_is_for_the_disk_as_it_is(bar: Standalone) -> None:
    pushed = bar.push()
    (bar.tree / "one").unlink()
    made = rebuild.propose(bar.context("fresh"), "bar")
    actions = {step.path: step.action for step in made.preview.plan.steps}
    assert actions[bar.path + b"/one"] is Action.CREATE and made.tip == pushed.tip
    assert made.concerns == () and made.release is None and made.watched == ()
    assert not (bar.tree / "one").exists()


def test_a_machine_that_watches_otherwise_is_told(bar: Standalone) -> None:
    bar.push()
    assert rebuild.propose(bar.context(), "bar").watched == ()
