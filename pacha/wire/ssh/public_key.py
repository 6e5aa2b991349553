"""Public keys and certificates in files: their blobs (RFC 4253, 6.6; PROTOCOL.certkeys of OpenSSH)."""

from __future__ import annotations

import base64
from pathlib import Path

from pacha.wire.ssh.known_hosts import key_kind

CERTIFICATE = "-cert-v01@openssh.com"
_MAGIC = b"openssh-key-v1\0"
#: How many fields of the key itself follow the nonce in a certificate.
_FIELDS = {"ssh-rsa": 2, "ssh-ed25519": 1, "sk-ssh-ed25519": 2}
_LONGEST = 1 << 20


def public_half(file: str) -> bytes | None:
    """The public key of a private one, from ``file`` itself or the file beside it. None for neither.

    A private key in OpenSSH's format has it readable even if it is locked with a passphrase.
    """
    return public_key(file) or _of_private(file) or public_key(f"{file}.pub")


def public_key(file: str) -> bytes | None:
    """The key or certificate in the first line of a file; None for any other file."""
    try:
        kind, text = _read(file).split(maxsplit=2)[:2]
        blob = base64.b64decode(text, validate=True)
    except (OSError, ValueError):
        return None
    return blob if key_kind(blob).encode("ascii", "replace") == kind else None


def plain_key(blob: bytes) -> bytes:
    """The key that a certificate is for; a plain key is returned as it is."""
    kind = key_kind(blob)
    if not kind.endswith(CERTIFICATE):
        return blob
    base = kind.removesuffix(CERTIFICATE)
    _, _, *fields = _strings(blob)
    count = 2 + base.startswith("sk-") if "ecdsa" in base else _FIELDS.get(base, 0)
    name = f"{base}@openssh.com" if base.startswith("sk-") else base
    return b"".join(map(packed, (name.encode(), *fields[:count])))


def packed(data: bytes) -> bytes:
    """A string of the SSH protocol: ``data`` after its length (RFC 4251, 5)."""
    return len(data).to_bytes(4, "big") + data


def _of_private(file: str) -> bytes | None:
    try:
        lines = _read(file).strip().split(b"\n")
        if lines[0].strip() != b"-----BEGIN OPENSSH PRIVATE KEY-----":
            return None
        data = base64.b64decode(b"".join(line.strip() for line in lines[1:-1]), validate=True)
    except (OSError, ValueError, IndexError):
        return None
    if not data.startswith(_MAGIC):
        return None
    cipher, kdf, options = _strings(data[len(_MAGIC) :])[:3]
    start = len(_MAGIC) + 12 + len(cipher) + len(kdf) + len(options) + 4  # after the number of keys
    blob = _strings(data[start:])[:1]
    return blob[0] if blob else None


def _strings(data: bytes) -> list[bytes]:
    """The strings, each after its length, at the beginning of ``data``; filled up to three if it is incomplete."""
    strings, place = [], 0
    while place + 4 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        if place + 4 + length > len(data):
            break
        strings.append(data[place + 4 : place + 4 + length])
        place += 4 + length
    return [*strings, *[b""] * (3 - len(strings))]


def _read(file: str) -> bytes:
    with Path(file).open("rb") as stream:
        return stream.read(_LONGEST)
