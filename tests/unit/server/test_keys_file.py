"""authorized_keys keeps every byte that a change does not concern."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import keys_file


@pytest.mark.parametrize("text", [b"", b"one\n", b"one\r\ntwo", b"\n\n# \xff\rthree\n"])
def test_what_is_read_is_written_again(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / ".ssh" / "authorized_keys"
    with keys_file.opened(bytes(tmp_path), make=True) as folder:
        file.write_bytes(text)
        lines = keys_file.read(folder)
        keys_file.write(folder, lines)
        assert file.read_bytes() == text
        keys_file.append(lines, b"more")
        keys_file.write(folder, lines)
    separator = b"" if text.endswith((b"\n", b"\r")) or not text else b"\n"
    assert file.read_bytes() == text + separator + b"more\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    with keys_file.opened(bytes(tmp_path), make=True) as folder:
        (tmp_path / ".ssh" / "authorized_keys").symlink_to("/etc/passwd")
        with pytest.raises(PachaError):
            keys_file.read(folder)
