"""Letting a key in: what is a key, the line for it, its end, and authorized_keys as the account itself writes it."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacha.errors import PachaError, UsageError
from pacha.server import authorized_keys
from pacha.server.authorized_keys import KeyGrant, PublicKey
from tests.support.sshd import make_key

ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()
LINE = f"ssh-ed25519 {ED25519} root@bar"
KEY = PublicKey("ssh-ed25519", ED25519, "root@bar")


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/pacha/bin/pacha"])


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_ssh_keygen(tmp_path: Path, kind: str) -> None:
    make_key(tmp_path / "key", kind)
    text = (tmp_path / "key.pub").read_bytes()
    key = PublicKey.read(text)
    assert f"{key.kind} {key.blob} {key.comment}\n".encode() == text


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        LINE + "\n",
        f"\n{LINE}\r\n\n",
        f"ssh-ed25519 {ED25519}",
        LINE + " of büro\n",
        f"\tssh-ed25519\t{ED25519}\troot@bar",
        f"ssh-ed25519  {ED25519}  root@bar  ",
    ],
)
def test_one_key(text: str) -> None:
    key = PublicKey.read(text.encode())
    assert (key.kind, key.blob) == (KEY.kind, KEY.blob)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "ssh-ed25519",
        f"{LINE}\n{LINE}\n",
        f"{LINE}\nssh-rsa AAAA\n",
        f"{LINE}\r{LINE}",
        f"{LINE}\x0b{LINE}",
        f"{LINE}\u2028{LINE}",
        f'command="id" {LINE}',
        f"restrict {LINE}",
        f"# {LINE}",
        f"ssh-ed25519 {ED25519[:-4]} x",
        f"ssh-ed25519 {ED25519}AAAA x",
        f"ssh-ed25519 {ED25519[:20]}!{ED25519[20:]} x",
        f"ssh-rsa {ED25519} x",
        "ssh-ed25519 AAAA x",
        f"ssh-dss {ED25519} x",
        f"ssh-ed25519-cert-v01@openssh.com {ED25519} x",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n",
        LINE + "x" * 20000,
    ],
)
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(UsageError):
        PublicKey.read(text.encode())


def test_base64_that_sshd_does_not_take() -> None:
    """The last bits of ``...g=`` count for nothing, so that ``...h=`` is the same key; sshd refuses it."""
    blob = base64.b64encode(b"\0\0\0\x07ssh-rsa\0\0\0\x01\x03\0\0\0\x02\0\xc5").decode()
    assert blob.endswith("==") and PublicKey.read(f"ssh-rsa {blob}".encode()).blob == blob
    with pytest.raises(UsageError):
        PublicKey.read(f"ssh-rsa {blob.rstrip('=')[:-1]}{chr(ord(blob.rstrip('=')[-1]) + 1)}==".encode())


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(UsageError):
        PublicKey.read(b"\xff\xfe\0" + LINE.encode())


def test_the_line_is_one_line_that_sshd_reads(tmp_path: Path) -> None:
    """Whatever the folder is called, and whatever stands in the comment."""
    for path in (b"/pacha/hosts", b'/srv/it\'s "here" $(id)'):
        line = KeyGrant("bar", path, push_only=True).line(KEY)
        assert "\n" not in line and line.startswith('restrict,command="')
        (tmp_path / "authorized_keys").write_text(line + "\n")
        listed = subprocess.run(["ssh-keygen", "-lf", tmp_path / "authorized_keys"], capture_output=True, text=True)
        assert listed.returncode == 0 and "root@bar" in listed.stdout, listed
    with pytest.raises(UsageError):
        KeyGrant("bar", b"/srv/a\nssh-rsa AAAA").line(KEY)


def test_a_comment_with_control_characters_is_left_out() -> None:
    assert PublicKey.read(f"ssh-ed25519 {ED25519} a\x1b[2Jb".encode()).comment == ""


def test_when_a_key_ends() -> None:
    now = time.time()
    assert authorized_keys.moment("12h", now) == now + 12 * 3600
    assert authorized_keys.moment("2w", now) == now + 14 * 86400
    assert (
        time.strftime("%Y%m%d%H%M", time.localtime(authorized_keys.moment("2097-01-31 18:05", now))) == "209701311805"
    )
    assert 'expiry-time="209701310000' in KeyGrant(
        "bar", b"/x", expires=authorized_keys.moment("2097-01-31", now)
    ).line(KEY)
    for wrong in ("", "0d", "tomorrow", "3", "-1d", "2001-01-01", "2097-13-01", "1d\n"):
        with pytest.raises(UsageError):
            authorized_keys.moment(wrong, now)


def test_run_as_a_module_it_names_the_command_that_is_installed_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "site-packages/pacha/__main__.py")])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    monkeypatch.setattr(authorized_keys, "_PATH_OF_SSHD", "/nonexistent")
    with pytest.raises(PachaError, match="not installed"):
        KeyGrant("bar", b"/pacha/hosts").line(KEY)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pacha").touch(0o755)
    assert f'command="{tmp_path}/bin/pacha serve bar ' in KeyGrant("bar", b"/pacha/hosts").line(KEY)
