"""The file of allowed signers: this machine's own, and nobody else may change it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pacha.config.signers import load_signers
from pacha.errors import ConfigError
from tests.support.signing import make_key, public


@pytest.fixture(name="file")
def one_file(tmp_path: Path) -> Path:
    path = tmp_path / "signers"
    path.write_text("bar ssh-ed25519 AAAA\n")
    return path


def test_it_is_read_once_with_what_is_revoked(file: Path, tmp_path: Path) -> None:
    assert load_signers(None, None) is None and load_signers(None, str(file)) is None
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    loaded = load_signers(str(file), str(revoked))
    assert loaded and (loaded.name, loaded.text, loaded.revoked) == (str(file), b"bar ssh-ed25519 AAAA\n", b"")
    line = public(make_key(tmp_path / "key"))
    revoked.write_text(f"# stolen\n\n  {line}\r\n{line} a comment")
    again = load_signers(str(file), str(revoked))
    assert again and again.revoked == revoked.read_bytes()


@pytest.mark.parametrize(
    "spoil",
    [
        "bar {key}",
        "{short}",
        "{cut}",
        "not a key",
        'namespaces="*@pacha" {key}',
        "ssh-rsa {blob}",
        "\ufeff{key}",
        "ssh-dss",
    ],
)
def test_a_list_of_revoked_keys_that_is_none_is_named(file: Path, tmp_path: Path, spoil: str) -> None:
    """ssh-keygen says of every key that it is revoked then, and the host would be blamed."""
    line, revoked = public(make_key(tmp_path / "key")), tmp_path / "revoked"
    kind, blob = line.split()
    words = spoil.format(key=line, blob=blob, short=f"{kind} {blob[:-9]}", cut=f"{kind} {blob[:-8]}")
    revoked.write_text(f"# stolen\n{line}\n{words}\n")
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_signers(str(file), str(revoked))
    assert (caught.value.code, caught.value.exit_code) == ("signers-unreadable", 10) and "line 3" in caught.value.why


def test_a_revocation_list_is_read_by_ssh_keygen(file: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    revoked = tmp_path / "krl"
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", revoked, tmp_path / "key.pub"], check=True)
    whole = revoked.read_bytes()
    loaded = load_signers(str(file), str(revoked))
    assert loaded and loaded.revoked == whole
    revoked.write_bytes(whole[:-8])
    with pytest.raises(ConfigError) as caught:
        load_signers(str(file), str(revoked))
    assert caught.value.code == "signers-unreadable"


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "act,code",
    [
        (lambda path: path.unlink(), "signers-unreadable"),
        (lambda path: path.write_text(" \n"), "signers-unreadable"),
        (lambda path: os.truncate(path, 5 << 20), "signers-unreadable"),
        (fifo, "signers-unreadable"),
        (lambda path: path.chmod(0o646), "signers-not-trusted"),
        (lambda path: path.parent.chmod(0o757), "signers-not-trusted"),
    ],
    ids=["missing", "empty", "huge", "fifo", "writable", "folder"],
)
def test_what_is_no_such_file_stops_everything(file: Path, act: Callable[[Path], object], code: str) -> None:
    act(file)
    with pytest.raises(ConfigError) as caught:
        load_signers(str(file), None)
    assert caught.value.code == code and caught.value.exit_code == 10


def test_another_user_s_file_is_not_trusted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pacha.system.trust.untrusted", lambda path, trusted: (path, f"not of {sorted(trusted)}"))
    with pytest.raises(ConfigError) as caught:
        load_signers(str(file), None)
    assert caught.value.code == "signers-not-trusted" and f"not of {sorted({0, os.geteuid()})}" in caught.value.why
