"""What a master finds in a host's folder: a code, lines, and what the newest snapshot holds."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pacha.config.signers import Signers
from pacha.errors import ExitCode
from pacha.machine.packages import package_list
from pacha.push import push
from pacha.server import check_worker
from pacha.server.hosts import NEVER_PUSHED
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.signing import make_key, public, signers_of
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The inspection, in a process of its own otherwise, sets its own one for good."""
    before = os.environ["TMPDIR"]
    yield
    os.environ["TMPDIR"], tempfile.tempdir = before, None


def inspected(bar: Standalone, scratch: Path, rehearse: bool = False) -> dict[str, Any]:
    scratch.mkdir()
    return check_worker.inspect(bar.context("master"), "bar", rehearse, scratch)


def test_a_sound_one_is_counted(bar: Standalone, tmp_path: Path) -> None:
    bar.push()
    found = inspected(bar, tmp_path / "scratch", rehearse=True)
    assert (found["code"], found["faults"], found["files"], found["size"]) == (0, [], 1, 4)
    assert found["tip"] == bar.context().state.read().tip and found["rehearsed"]


def test_one_that_never_pushed_is_a_concern(bar: Standalone, tmp_path: Path) -> None:
    bar.master.mkdir(parents=True)
    assert inspected(bar, tmp_path / "scratch") == check_worker.result(3, NEVER_PUSHED)


def test_a_snapshot_that_is_there_no_more_is_damage(bar: Standalone, tmp_path: Path) -> None:
    bar.push()
    heartbeat = bar.master / "last-push"
    heartbeat.write_text(json.dumps({**json.loads(heartbeat.read_text()), "tip": "ab" * 20}) + "\n")
    found = inspected(bar, tmp_path / "scratch")
    assert found["code"] == 13 and "abababababab" in found["faults"][0]


@pytest.mark.parametrize("line", [None, "no sense\n"])
def test_without_a_heartbeat_a_set_back_cannot_be_told(bar: Standalone, tmp_path: Path, line: str | None) -> None:
    bar.push()
    (bar.master / "last-push").unlink()
    if line is not None:
        (bar.master / "last-push").write_text(line)
    found = inspected(bar, tmp_path / "scratch")
    assert found["code"] == 3 and "cannot be told" in found["faults"][0] and found["files"] == 1


def test_a_link_out_of_the_folder_is_damage(bar: Standalone, tmp_path: Path) -> None:
    bar.push()
    (bar.master / "foo").rename(tmp_path / "elsewhere")
    (bar.master / "foo").symlink_to(tmp_path / "elsewhere")
    assert inspected(bar, tmp_path / "scratch")["code"] == 13


def test_a_text_that_no_pacha_wrote_is_a_fault(
    bar: Standalone, manager: FakeManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bar.push()
    assert inspected(bar, tmp_path / "before")["code"] == ExitCode.DONE
    manager.version = manager.word = "--option"
    unchecked = lambda manager, root, rules: package_list.encode(manager.capture(root))  # noqa: E731
    monkeypatch.setattr("pacha.host.packages._told", unchecked)
    assert bar.push().committed
    found = inspected(bar, tmp_path / "after")
    assert found["code"] == ExitCode.DAMAGED and "packages" in found["faults"][0]


def signed_world(bar: Standalone, tmp_path: Path) -> Path:
    key = make_key(tmp_path / "key")
    assert push.push(bar.context(sign_key=str(key))).failures == ()
    return key


@pytest.mark.slow
def test_who_signed_is_told_and_what_no_signer_vouches_for_is_a_fault(bar: Standalone, tmp_path: Path) -> None:
    key = signed_world(bar, tmp_path)

    def found(number: int, signers: Signers | None) -> tuple[object, ...]:
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        outcome = check_worker.inspect(bar.context("master"), "bar", False, scratch, signers)
        return outcome["code"], outcome["signature"], bool(outcome["signer"]), len(outcome["faults"])

    good, other = signers_of(f"bar {public(key)}"), signers_of(f"foo {public(key)}")
    assert [found(1, None), found(2, good), found(3, other)] == [
        (0, "signed", True, 0), (0, "signed", True, 0), (13, "bad", False, 1)
    ]  # fmt: skip
    heartbeat = bar.master / "last-push"
    line = json.loads(heartbeat.read_text())
    heartbeat.write_text(json.dumps({**line, "word": line["word"].replace("counter 1", "counter 2")}) + "\n")
    assert [found(4, None), found(5, good)] == [(13, "bad", False, 1)] * 2
    (bar.tree / "one").write_text("two\n")
    bar.push()
    assert [found(6, None), found(7, good)] == [(0, "unsigned", False, 0), (13, "unsigned", False, 1)]
