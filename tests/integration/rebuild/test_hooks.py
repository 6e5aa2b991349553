"""Hooks that another user could change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import PachaError
from tests.support.hook_files import fetched, hook
from tests.support.stage import small_disk


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("what", ["file", "folder", "owner", "top"])
def test_one_that_another_user_could_change_is_refused(tmp_path: Path, what: str) -> None:
    path = hook(tmp_path, "10-a", "true")
    if what == "file":
        path.chmod(0o777)
    elif what == "folder":
        path.parent.chmod(0o1777)
    elif what == "owner":
        os.chown(path, 54001, 0)
    else:
        os.chown(path.parents[2], 54001, 0)
    with pytest.raises(PachaError, match="not root's alone"), fetched(tmp_path):
        pass


@pytest.mark.usefixtures("as_root")
def test_where_no_program_may_start_it_is_said_beforehand(tmp_path: Path) -> None:
    hook(tmp_path, "10-a", "true", folder="pacha_post")
    with small_disk(tmp_path / "state", "1m", ["noexec"]):
        with pytest.raises(PachaError, match="nothing was changed") as caught, fetched(tmp_path):
            pass
    assert caught.value.code == "hooks-not-executable" and "noexec" in caught.value.why
