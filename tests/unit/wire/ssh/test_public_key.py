"""Public keys and certificates in files, and files that are something else."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest

from pacha.wire.ssh.public_key import plain_key, public_half, public_key


def strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def line(blob: bytes, kind: str = "ssh-ed25519") -> str:
    return f"{kind} {base64.b64encode(blob).decode()} a comment\n"


KEY = strings(b"ssh-ed25519", b"p" * 32)


def private(blob: bytes, cipher: bytes = b"aes256-ctr") -> str:
    head = b"openssh-key-v1\0" + strings(cipher, b"bcrypt", b"salt") + struct.pack(">I", 1)
    text = base64.encodebytes(head + strings(blob, b"secret")).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}-----END OPENSSH PRIVATE KEY-----\n"


def test_a_public_half_is_in_the_file_or_beside_it(tmp_path: Path) -> None:
    for name, text in (("a", line(KEY)), ("b.pub", line(KEY)), ("c", private(KEY))):
        (tmp_path / name).write_text(text)
    (tmp_path / "b").write_text("-----BEGIN RSA PRIVATE KEY-----\n")
    assert {public_half(str(tmp_path / name)) for name in ("a", "b", "c")} == {KEY}
    assert public_half(str(tmp_path / "d")) is None


@pytest.mark.parametrize(
    "text",
    ["", "x", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-ed25519 \xff", line(KEY, "ssh-rsa"), line(b""), line(b"\0\0"),
     private(b"")[:60] + "\n-----END\n", private(KEY).replace("b3Blb", "c3Blb"), "-----BEGIN OPENSSH PRIVATE KEY-----"],
)  # fmt: skip
def test_what_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert public_key(str(tmp_path / "key")) is None
    assert not public_half(str(tmp_path / "key"))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ssh-ed25519", [b"p" * 32]),
        ("ssh-rsa", [b"\1\0\1", b"n" * 256]),
        ("ecdsa-sha2-nistp256", [b"nistp256", b"p" * 65]),
        ("sk-ssh-ed25519", [b"p" * 32, b"ssh:"]),
        ("sk-ecdsa-sha2-nistp256", [b"nistp256", b"p" * 65, b"ssh:"]),
    ],
)
def test_the_key_of_a_certificate(kind: str, fields: list[bytes]) -> None:
    name = f"{kind}@openssh.com" if kind.startswith("sk-") else kind
    certificate = strings(f"{kind}-cert-v01@openssh.com".encode(), b"nonce", *fields) + b"\0" * 12
    assert plain_key(certificate) == strings(name.encode(), *fields)
    assert plain_key(strings(name.encode(), *fields)) == strings(name.encode(), *fields)


def test_a_certificate_that_is_cut_off_is_no_key() -> None:
    assert plain_key(strings(b"ssh-ed25519-cert-v01@openssh.com")) != KEY
