"""authorized_keys keeps every byte that a change does not concern, and is changed by one process at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import keys_file


@pytest.mark.parametrize("text", [b"", b"one\n", b"one\r\ntwo", b"\n\n# \xff\rthree\n", b"old\r"])
def test_what_is_read_is_written_again(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / ".ssh" / "authorized_keys"
    with keys_file.opened(bytes(tmp_path), make=True) as folder:
        file.write_bytes(text)
        lines = keys_file.read(folder)
        keys_file.write(folder, lines)
        assert file.read_bytes() == text
        keys_file.append(lines, b"more")
        keys_file.write(folder, lines)
    separator = b"" if text.endswith(b"\n") or not text else b"\n"
    assert file.read_bytes() == text + separator + b"more\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    with keys_file.opened(bytes(tmp_path), make=True) as folder:
        (tmp_path / ".ssh" / "authorized_keys").symlink_to("/etc/passwd")
        with pytest.raises(PachaError):
            keys_file.read(folder)


def test_a_line_ends_where_sshd_has_it_end(tmp_path: Path) -> None:
    with keys_file.opened(bytes(tmp_path), make=True) as folder:
        (tmp_path / ".ssh/authorized_keys").write_bytes(b"# a\rssh-rsa AAAA\nb\r")
        lines = keys_file.read(folder)
        keys_file.append(lines, b"more")
    assert lines == [b"# a\rssh-rsa AAAA\n", b"b\r\n", b"more\n"]


def test_one_process_at_a_time_and_none_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_file, "_WAIT", 0.3)
    with keys_file.opened(bytes(tmp_path), make=True):
        other = os.open(tmp_path / ".ssh", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    began = time.monotonic()
    with keys_file.opened(bytes(tmp_path)):  # the account holds it for ever, and its key has to be revoked
        assert 0.2 < time.monotonic() - began < 5
    os.close(other)


def test_no_more_is_written_than_can_be_read_and_what_killed_runs_left_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_file, "_KEYS_MAX", 100)
    with keys_file.opened(bytes(tmp_path), make=True) as folder:
        for name in (".authorized_keys.0123abcd", ".authorized_keys.mine"):
            (tmp_path / ".ssh" / name).write_text("")
        (tmp_path / ".ssh/.authorized_keys.00000000").mkdir()  # of the account, whose key must be revocable
        keys_file.write(folder, [b"x" * 99 + b"\n"])
        with pytest.raises(PachaError) as refused:
            keys_file.write(folder, [b"x" * 100 + b"\n"])
        assert refused.value.code == "authorized-keys-too-long" and len(keys_file.read(folder)[0]) == 100
    assert sorted(os.listdir(tmp_path / ".ssh")) == [
        ".authorized_keys.00000000", ".authorized_keys.mine", "authorized_keys",
    ]  # fmt: skip
