"""Which managers install for a rebuild, and that they begin with a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.errors import LockedError
from pacha.machine.packages import installers
from pacha.machine.packages.package_list import Manager
from tests.support.fake_apt import FakeApt


@pytest.mark.parametrize("manager", installers.KINDS)
def test_two_at_once(manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeApt(tmp_path / "bin", monkeypatch)
    folder = tmp_path / "cache/packages"
    with installers.opened(manager, folder, tmp_path) as installer:
        assert installer.folder == folder and folder.stat().st_mode & 0o777 == 0o755
        with pytest.raises(LockedError), installers.opened(manager, folder, tmp_path):
            pass
    with installers.opened(manager, folder, tmp_path):
        pass
