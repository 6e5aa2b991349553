"""A real ssh-agent, and keys for it: among them one that belongs to a token which is not plugged in."""

from __future__ import annotations

import base64
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SshAgent:
    """An agent that listens at ``socket``."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def add(self, key: Path, passphrase: str = "") -> None:
        """Give it a key, and the certificate that lies beside it."""
        script = key.parent / "askpass"
        script.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
        script.chmod(0o700)
        asking = {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "SSH_AUTH_SOCK": str(self.socket)}
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env={**os.environ, **asking}, stdin=subprocess.DEVNULL)


@contextmanager
def ssh_agent(socket: Path) -> Iterator[SshAgent]:
    """An agent for as long as the ``with`` lasts."""
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.01)
        yield SshAgent(socket)
    finally:
        process.terminate()
        process.wait()


def certify(key: Path, user: str, validity: str = "always:forever") -> Path:
    """A certificate for ``user`` beside a key, by an authority of its own, whose public key is returned."""
    authority = key.with_name(f"{key.name}-authority")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(authority)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "test", "-n", user, "-V", validity, f"{key}.pub"]
    subprocess.run(sign, check=True, stdin=subprocess.DEVNULL)
    return authority.with_name(f"{authority.name}.pub")


def make_token_key(file: Path) -> Path:
    """A FIDO key in OpenSSH's format (PROTOCOL.key, PROTOCOL.u2f): an agent takes it, and only a token could sign."""
    kind, point, application = b"sk-ssh-ed25519@openssh.com", os.urandom(32), b"ssh:"
    public = _strings(kind, point, application)
    private = _strings(kind, point, application) + b"\x01" + _strings(os.urandom(64), b"", b"token")
    private = b"\0\1\2\3" * 2 + private
    private += bytes(range(1, 1 + -len(private) % 8))
    data = b"openssh-key-v1\0" + _strings(b"none", b"none", b"") + struct.pack(">I", 1) + _strings(public, private)
    text = base64.encodebytes(data).decode()
    file.write_text(f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}-----END OPENSSH PRIVATE KEY-----\n")
    file.chmod(0o600)
    Path(f"{file}.pub").write_text(f"{kind.decode()} {base64.b64encode(public).decode()} token\n")
    return file


def _strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
