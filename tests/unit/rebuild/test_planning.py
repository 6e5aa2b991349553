"""The plan of a rebuild: from what was fetched, what is on the disk, and the options."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.planning import PlannedRebuild, plan_rebuild
from pacha.restore.plan import Action
from pacha.store import history
from pacha.store.snapshot import Snapshot
from tests.support.scanning import refuse_to_open
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.fixture
def snapshot(bar: Standalone) -> Snapshot:
    bar.push()
    state = bar.context().state
    return history.read(state, state.read().tip)


def actions(planned: PlannedRebuild) -> dict[str, Action]:
    return {os.fsdecode(os.path.basename(step.path)): step.action for step in planned.plan.steps}


def test_what_is_lost_is_made_and_what_is_there_stays(bar: Standalone, snapshot: Snapshot) -> None:
    assert actions(plan_rebuild(snapshot, {}, RebuildOptions())) == {"foo": Action.SAME, "one": Action.SAME}
    shutil.rmtree(bar.tree)
    planned = plan_rebuild(snapshot, {}, RebuildOptions())
    assert actions(planned) == {"foo": Action.CREATE, "one": Action.CREATE}
    assert not bar.tree.exists() and planned.commands == () and planned.overrides == {}


def test_what_differs_is_replaced_unless_it_is_kept(bar: Standalone, snapshot: Snapshot) -> None:
    (bar.tree / "one").write_text("another\n")
    (bar.tree / "new").write_text("new\n")
    assert actions(plan_rebuild(snapshot, {}, RebuildOptions()))["one"] is Action.REPLACE
    kept = plan_rebuild(snapshot, {}, RebuildOptions(keep=(f"{bar.tree}/one",), delete=True))
    assert (actions(kept)["one"], actions(kept)["new"]) == (Action.KEPT_BY_RULE, Action.EXTRA)
    assert kept.plan.delete


def test_below_a_target_every_path_is_below_it(snapshot: Snapshot, tmp_path: Path) -> None:
    target = os.fsencode(tmp_path / "there")
    planned = plan_rebuild(snapshot, {}, RebuildOptions(target=target))
    assert {step.path.startswith(target + b"/") for step in planned.plan.steps} == {True}
    assert planned.wanted.keys() == {target + path for path in snapshot.entries}


def test_what_cannot_be_looked_at_is_something_to_look_at(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person has to know that the plan was made without it before any of it is carried out."""
    (bar.tree / "sub").mkdir()
    bar.push()
    state = bar.context().state
    refuse_to_open(monkeypatch, b"sub", OSError(errno.EIO, os.strerror(errno.EIO)))
    planned = plan_rebuild(history.read(state, state.read().tip), {}, RebuildOptions())
    assert [concern.path for concern in planned.plan.concerns] == [bar.path + b"/sub"]
