"""Files of ssh's that nobody else could change, and others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import ConfigError
from pacha.wire.ssh.trust import read_trusted


@pytest.mark.parametrize(("mode", "trusted"), [(0o600, True), (0o644, True), (0o666, False), (0o602, False)])
def test_who_may_write(tmp_path: Path, mode: int, trusted: bool) -> None:
    file = tmp_path / "config"
    file.write_bytes(b"x")
    file.chmod(mode)
    if trusted:
        assert read_trusted(file) == b"x"
        return
    with pytest.raises(ConfigError) as caught:
        read_trusted(file)
    assert caught.value.code == "ssh-file-not-trusted" and str(file) in caught.value.hint


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ConfigError, match="not to be trusted"):
        read_trusted(tmp_path / "fifo")
    assert read_trusted("/dev/null") == b""
    with pytest.raises(FileNotFoundError):
        read_trusted(tmp_path / "gone")
