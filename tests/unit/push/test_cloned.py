"""A state folder on a machine with another machine-id: told once, unless that machine took the host over."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from pacha.push import cloned, push
from pacha.push.push import Pushed
from pacha.rebuild import adoption, restore_db
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

ORIGINAL, CLONE = "a" * 32, "b" * 32
On = Callable[[str], None]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> On:
    """Go on at the machine with this machine-id."""

    def become(machine_id: str) -> None:
        for module in (cloned, adoption):
            monkeypatch.setattr(module, "machine_id", lambda: machine_id)

    return become


@pytest.fixture
def pushed(bar: Standalone, on: On) -> Standalone:
    """The host, after its first push."""
    on(ORIGINAL)
    bar.push()
    return bar


def told(pushed: Pushed) -> list[str]:
    return [concern.reason for concern in pushed.concerns]


def test_a_clone_is_told_once_and_what_to_do(pushed: Standalone, on: On) -> None:
    shutil.copytree(pushed.top / "state", pushed.top / "cloned")
    on(CLONE)
    done = push.push(pushed.context("cloned"))
    (reason,) = told(done)
    assert done.concerns[0].path == bytes(pushed.top / "cloned") and done.masters
    assert "/etc/machine-id" in reason and "pacha.hostname" in reason
    assert f"mv {pushed.top}/cloned {pushed.top}/cloned.old " in reason
    assert pushed.context("cloned").state.read().concerns == done.concerns
    assert told(push.push(pushed.context("cloned"))) == []
    on(ORIGINAL)
    pushed.push()


def test_a_push_that_is_cut_off_does_not_lose_it(pushed: Standalone, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    on(CLONE)
    with monkeypatch.context() as broken:
        broken.setattr(push, "commit_snapshot", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            push.push(pushed.context())
    assert len(told(push.push(pushed.context()))) == 1
    pushed.push()


@pytest.mark.parametrize("ids", [(ORIGINAL, "", ORIGINAL), ("", CLONE)])
def test_an_unknown_machine_id_says_nothing(bar: Standalone, on: On, ids: tuple[str, ...]) -> None:
    for machine_id in ids:
        on(machine_id)
        bar.push()
    assert bar.context().state.read().machine_id == ids[-1]


def test_a_machine_that_takes_the_host_over_is_not_told(pushed: Standalone, on: On) -> None:
    on(CLONE)
    assert told(push.push(pushed.context(), take_over=True)) == []
    pushed.push()


def test_a_machine_that_adopts_the_host_is_not_told(pushed: Standalone, on: On) -> None:
    (pushed.top / "state" / "pacha.db").unlink()
    shutil.rmtree(pushed.top / "state" / "repos")
    on(CLONE)
    restore_db.restore_db(pushed.context(), "bar")
    pushed.push()
