"""Which files are read, and which are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.config.load import load_config
from pacha.config.parse import ConfigFaults, parse_config
from pacha.errors import ConfigError
from tests.support.config import SEED


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pacha.conf"
    path.write_text(SEED, "utf-8")
    return path


def test_load_remembers_the_path(file: Path) -> None:
    assert load_config(file) == parse_config(SEED, file)
    assert load_config(file).path == file


def test_a_byte_order_mark_does_no_harm(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + SEED.encode())
    assert load_config(file).hosts == ("master.example.com",)


def test_faults_name_the_file(file: Path) -> None:
    file.write_text("[DEFAULT]\npacha.frequency = often\n")
    with pytest.raises(ConfigFaults) as caught:
        load_config(file)
    assert str(file) in caught.value.message
    assert caught.value.why == "pacha.frequency: 'often' is not a number of hours above 0"


def test_what_is_no_file_of_text_is_refused(file: Path, tmp_path: Path) -> None:
    fifo, large, bytes_ = tmp_path / "fifo", tmp_path / "large", tmp_path / "bytes"
    os.mkfifo(fifo)
    large.write_bytes(b"#" * (1 << 20) + b"\n")
    bytes_.write_bytes(b"[DEFAULT]\npacha.host = \xff\n")
    for path, reason in [
        (tmp_path, "Is a directory"),
        (fifo, "a special file"),
        (large, "larger than"),
        (bytes_, "byte 24 is not UTF-8"),
        (tmp_path / "none", "No such file"),
        (file / "below", "Not a directory"),
    ]:
        with pytest.raises(ConfigError, match=str(path)) as caught:
            load_config(path)
        assert reason in caught.value.why
