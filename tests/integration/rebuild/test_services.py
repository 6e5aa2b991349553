"""What comes after the files is done by the next run, where the first one was ended before it."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace

import pytest

from pacha.errors import Signalled
from pacha.rebuild import rebuild, services, undo
from pacha.rebuild.options import ServicePolicy
from tests.support.world import World, one_world, original_world  # noqa: F401  (fixtures)

# What Mercurial leaves open is its own, and closed by the end of a process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

Asked = list[frozenset[bytes]]


@pytest.fixture(name="asked")
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The paths for which it was asked what obeys them, where something is restarted."""
    asked: Asked = []

    def plan(changed: Collection[bytes], policy: ServicePolicy, **more: object) -> services.PlannedServices:
        asked.append(frozenset(changed))
        return services.PlannedServices(policy=policy)

    monkeypatch.setattr(services, "plan", plan)
    return asked


def cut_off(world: World) -> None:
    def end(*_: object) -> tuple[services.TaskRun, ...]:
        raise Signalled(2)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Signalled):
        patch.setattr(services, "run", end)
        world.rebuild()


@pytest.mark.usefixtures("as_root")
def test_the_next_run_restarts_what_obeys_the_files_of_one_that_was_cut_off(world: World, asked: Asked) -> None:
    cut_off(world)
    assert (world.tree / "one").read_text() == "third\n"
    world.rebuild()
    assert os.fsencode(world.tree / "one") in asked[-1]
    world.rebuild()
    assert asked[-1] == frozenset()


@pytest.mark.usefixtures("as_root")
def test_one_that_was_undone_leaves_nothing_to_restart(world: World, asked: Asked) -> None:
    cut_off(world)
    undo.undo(world.here())
    rebuild.propose(world.here(), "bar")
    assert os.fsencode(world.tree / "two") not in asked[-1] and asked[-1]


@pytest.mark.usefixtures("as_root")
def test_what_failed_after_the_files_is_owed_until_it_is_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    task = services.ServiceTask(
        kind=services.ServiceTaskKind.UNIT, about="a.service", argv=("false",), owed="a.service"
    )  # fmt: skip
    asked: list[Collection[str]] = []

    def plan(changed: Collection[bytes], policy: ServicePolicy, **more: Collection[str]) -> services.PlannedServices:
        asked.append(more["owed"])
        return services.PlannedServices(policy=policy, tasks=(task,))

    monkeypatch.setattr(services, "plan", plan)
    assert world.rebuild().concerns and world.here().state.read().services_owed == ("a.service",)
    assert world.rebuild().concerns and asked[-1] == ("a.service",)
    undo.undo(world.here())
    assert world.here().state.read().services_owed == ()
    world.rebuild()
    task = replace(task, argv=("true",))
    assert not world.rebuild().concerns and world.here().state.read().services_owed == ()


@pytest.mark.usefixtures("as_root")
def test_an_undo_says_that_units_go_on_with_what_they_read(
    world: World, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = services.ServiceTask(kind=services.ServiceTaskKind.UNIT, about="a.service", argv=("systemctl",))
    monkeypatch.setattr(services, "run", lambda *_: (services.TaskRun(task=unit),))
    world.rebuild()
    assert undo.undo(world.here()).record.restarted


@pytest.mark.usefixtures("as_root")
def test_where_nothing_was_restarted_an_undo_says_nothing_of_it(world: World, asked: Asked) -> None:
    world.rebuild()
    assert not undo.undo(world.here()).record.restarted
