"""What belongs on a master says so on a host, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.config.config import Config
from pacha.config.parse import parse_config
from pacha.errors import UsageError
from pacha.server.role import is_master_alone, of_master


def config(folder: Path, host: str) -> Config:
    return parse_config(f"[DEFAULT]\npacha.host = {host}\npacha.hosts.path = {folder}\n")


def test_a_machine_that_only_pushes_is_no_master(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="belongs on the master") as refused:
        of_master(config(tmp_path / "hosts", "m.example.com"))
    assert "Run it on m.example.com" in refused.value.hint


@pytest.mark.parametrize("host", ["", "local", "127.0.0.1", "localhost"])
def test_one_that_is_its_own_master_may_begin(tmp_path: Path, host: str) -> None:
    of_master(config(tmp_path / "hosts", host))


def test_one_that_pushes_on_to_another_may_be_a_master_too(tmp_path: Path) -> None:
    of_master(config(tmp_path, "m.example.com"))
    assert not is_master_alone(config(tmp_path, "m.example.com"))


def test_a_master_alone_has_the_folder_and_pushes_to_nobody(tmp_path: Path) -> None:
    assert is_master_alone(config(tmp_path, ""))
    assert not is_master_alone(config(tmp_path / "hosts", "")) and not is_master_alone(config(tmp_path, "local"))
