"""A check reads the texts beside pacha.db, which a rebuild would need."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.errors import ExitCode
from pacha.machine.packages import package_list
from pacha.server import check_worker
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_a_text_that_no_pacha_wrote_is_a_fault(
    bar: Standalone, manager: FakeManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bar.push()
    (tmp_path / "scratch").mkdir(mode=0o700)
    inspected = check_worker.inspect(bar.context(), "bar", False, tmp_path / "scratch")
    assert inspected["code"] == ExitCode.DONE and inspected["faults"] == []
    manager.version = manager.word = "--option"
    monkeypatch.setattr("pacha.host.packages._told", lambda manager, root: package_list.encode(manager.capture(root)))
    assert bar.push().committed
    inspected = check_worker.inspect(bar.context(), "bar", False, tmp_path / "scratch")
    assert inspected["code"] == ExitCode.DAMAGED and "packages" in inspected["faults"][0]
