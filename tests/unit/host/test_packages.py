"""The packages are asked for when something of them changed, and a failure leaves what was told before."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.host import packages
from pacha.host.packages import tell
from pacha.machine.packages import package_list
from pacha.machine.packages.package_list import SourceFile
from pacha.store.state import StateFolder
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)


@pytest.fixture(name="state")
def state_folder(tmp_path: Path) -> StateFolder:
    (tmp_path / "state").mkdir(mode=0o700)
    return StateFolder(tmp_path / "state")


def test_they_are_asked_for_once_until_something_changes(manager: FakeManager, state: StateFolder) -> None:
    first, second = tell(state), tell(state)
    assert first == second and manager.asked == 1 and not first.concerns
    assert first.text and package_list.decode(first.text).packages[0].version == "1"
    assert stat.S_IMODE((state.path / "packages").stat().st_mode) == 0o600
    manager.upgrade("2")
    assert tell(state, remember=False).text == tell(state).text != first.text
    assert manager.asked == 3


def test_a_failure_is_a_concern_and_the_last_text_stays(manager: FakeManager, state: StateFolder) -> None:
    manager.hangs = True
    nothing = tell(state)
    assert nothing.text is None and "none are recorded" in nothing.concerns[0].reason
    manager.hangs = False
    before = tell(state).text
    manager.hangs, manager.word = True, "two"
    failed = tell(state)
    assert failed.text == before and failed.concerns[0].path == b"/var/lib/fake"
    assert "apt-cache: no end within 60 seconds" in failed.concerns[0].reason
    assert len(tell(state).concerns) == 1, "it is asked again, and told again"


def test_what_its_reader_would_refuse_is_a_failure(manager: FakeManager, state: StateFolder) -> None:
    manager.version = "--option"
    assert tell(state).text is None and tell(state).concerns


def test_a_damaged_memory_is_made_anew(manager: FakeManager, state: StateFolder) -> None:
    text, file = tell(state).text, state.path / "packages"
    for damaged in (b"1 one", file.read_bytes()[:-1], b"", b"\xff\n"):
        file.write_bytes(damaged)
        assert tell(state).text == text
    assert manager.asked == 5


def test_the_switch_and_an_unknown_manager_tell_nothing(
    manager: FakeManager, state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(packages.SWITCH, "no")
    assert tell(state) == packages.Told()
    monkeypatch.setenv(packages.SWITCH, "yes")
    monkeypatch.setattr(packages, "manager_of", lambda root: None)
    assert tell(state) == packages.Told() and manager.asked == 0


def test_a_file_that_is_sealed_is_not_in_the_text(
    manager: FakeManager, state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = manager.capture
    secret = SourceFile(path="/etc/apt/sources.list.d/private.list", content=b"deb https://me:secret@example.com x\n")
    monkeypatch.setattr(manager, "capture", lambda root: replace(real(root), files=(secret,)))
    assert b"secret" in (tell(state).text or b"")
    assert b"secret" not in (tell(state, sealed=["private.list"]).text or b"secret")
    assert b"secret" not in (state.path / "packages").read_bytes()
    relative = ["apt/sources.list.d/*.list"]
    assert b"secret" not in (tell(state, sealed=relative, roots=[b"/etc", b"/opt"]).text or b"secret")
    assert b"secret" in (tell(state, sealed=relative, roots=[b"/opt"]).text or b"")
    assert b"secret" in (tell(state).text or b""), "other patterns have it told anew"
