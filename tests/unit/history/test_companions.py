"""What the host was, in its history: each push records it, and a changed machine makes a snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import DamagedError, UsageError
from pacha.history import access, companions
from pacha.host import watch
from pacha.machine import facts
from pacha.machine.facts import Facts
from pacha.push import push
from pacha.rebuild import rebuild
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.world import World


@pytest.fixture(name="world")
def pushed_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("HOME", str(tmp_path))
    world = World(tmp_path)
    world.tree.mkdir()
    (world.tree / "file").write_text("content\n")
    watch.watch(world.here("bar"), os.fsencode(world.tree))
    return world


def of_kernel(monkeypatch: pytest.MonkeyPatch, kernel: str) -> None:
    monkeypatch.setattr(facts, "collect", lambda *roots: Facts(kernel=kernel))


def test_a_changed_machine_makes_a_snapshot_an_unchanged_one_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar = world.here("bar")
    of_kernel(monkeypatch, "6.1")
    first = push.push(bar)
    assert not push.push(bar).committed
    of_kernel(monkeypatch, "6.2")
    second = push.push(bar)
    assert second.committed and second.changes == type(second.changes)()
    with access.open_history(bar) as history:
        assert companions.read_facts(history, history.find("")).kernel == "6.2"
        assert companions.read_facts(history, history.find(first.tip)).kernel == "6.1"
    with access.open_history(world.here("another"), "bar") as history:
        assert companions.read_facts(history, history.find("")).kernel == "6.2"


def test_a_rebuild_compares_the_machines(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    of_kernel(monkeypatch, "6.1")
    push.push(world.here("bar"))
    of_kernel(monkeypatch, "7.0")
    machines = rebuild.propose(world.here(), "bar").machines
    assert machines is not None and (machines.recorded.kernel, machines.here.kernel) == ("6.1", "7.0")


def test_a_snapshot_of_an_earlier_pacha_says_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "describe_machine", lambda session: {})
    push.push(world.here("bar"))
    with access.open_history(world.here("bar")) as history, pytest.raises(UsageError) as caught:
        companions.read_facts(history, history.find(""))
    assert caught.value.code == "no-companion"
    assert rebuild.propose(world.here(), "bar").machines is None


def test_the_packages_of_each_snapshot(world: World, manager: FakeManager) -> None:
    bar = world.here("bar")
    first = push.push(bar)
    manager.upgrade("2")
    push.push(bar)
    with access.open_history(world.here("another"), "bar") as history:
        versions = [
            companions.read_packages(history, history.find(when)).packages[0].version for when in ("", first.tip)
        ]
    assert versions == ["2", "1"]


def test_where_no_package_manager_is_known_nothing_is_said(world: World) -> None:
    push.push(world.here("bar"))
    with access.open_history(world.here("bar")) as history, pytest.raises(UsageError) as caught:
        companions.read_packages(history, history.find(""))
    assert caught.value.code == "no-companion"


@pytest.mark.parametrize("name", ["machine", "packages"])
def test_a_text_that_was_exchanged_is_damage(world: World, manager: FakeManager, name: str) -> None:
    push.push(world.here("bar"))
    world.execute("UPDATE meta SET value = ? WHERE key = ?", "0" * 64, f"{name}_sha256")
    with pytest.raises(DamagedError) as caught:
        rebuild.propose(world.here(), "bar")
    assert caught.value.code == "companion-damaged"
