"""Whose configuration file root refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.config.load import load_config
from pacha.errors import ConfigError
from tests.support.config import SEED


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pacha.conf"
    path.write_text(SEED, "utf-8")
    return path


def test_root_refuses_a_file_that_others_may_write(as_root: None, file: Path) -> None:
    for owner, group, mode, good in [
        (0, 0, 0o644, True),
        (0, 0, 0o664, True),  # root's own group
        (0, 65534, 0o664, False),
        (0, 0, 0o646, False),
        (65534, 0, 0o644, False),
    ]:
        os.chown(file, owner, group)
        file.chmod(mode)
        if good:
            load_config(file)
            continue
        with pytest.raises(ConfigError, match="not to be trusted") as caught:
            load_config(file)
        assert str(file) in caught.value.why and "chmod go-w" in caught.value.hint


def test_root_refuses_a_file_that_others_may_swap(as_root: None, file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    (folder / "link").symlink_to(file)
    inside = folder / "pacha.conf"
    inside.write_text(SEED)
    behind = tmp_path / "behind"
    behind.symlink_to(inside)
    for path in (folder / "link", inside, behind):
        with pytest.raises(ConfigError, match="not to be trusted") as caught:
            load_config(path)
        assert str(folder) in caught.value.why
    folder.chmod(0o1777)
    with pytest.raises(ConfigError, match="not to be trusted"):
        load_config(inside)  # sticky does not help against the folder's own owner
    os.chown(folder, 0, 0)
    load_config(inside)
