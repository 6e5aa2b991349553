"""The key with which this host signs: ``pacha.sign.key``; without that, for root, sshd's host key.

Only a key that ``pacha.sign.key`` names has to work. Without a key, or if sshd's does not work, snapshots are not
signed, and ``pacha doctor`` says so.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from pacha.config.config import Config
from pacha.config.keys import NO_KEY
from pacha.system import signature
from pacha.text import printable

SWITCH = "PACHA_HOST_KEY"  #: the variable that names another file in place of sshd's host key, with "" none
_HOST_KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key" for kind in ("ed25519", "ecdsa", "rsa"))
_MOST_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The file of a key, or its public half; ``named``: the configuration names it."""

    path: str
    named: bool

    @property
    def fingerprint(self) -> str:
        """Its name, by the public half beside it; "" where that cannot be read."""
        public = self.path if self.path.endswith(".pub") else f"{self.path}.pub"
        try:
            # O_NONBLOCK: do not wait for a FIFO
            with open(public, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
                return signature.fingerprint(signature.public_key(file.read(_MOST_BYTES)))
        except (OSError, ValueError):
            return ""


def own_key(config: Config) -> SigningKey | None:
    """The key that signs, None for none."""
    if config.sign_key:
        return None if config.sign_key == NO_KEY else SigningKey(config.sign_key, named=True)
    if SWITCH not in os.environ and os.geteuid() != 0:
        return None
    candidates: Sequence[str] = [os.environ[SWITCH]] if SWITCH in os.environ else _HOST_KEYS
    path = next((path for path in candidates if os.access(path, os.R_OK)), "")
    return SigningKey(path, named=False) if path else None


def why_none(config: Config) -> str:
    """Why there is no key, for people."""
    if config.sign_key == NO_KEY:
        return "pacha.sign.key says no"
    return "no host key of sshd is readable" if os.geteuid() == 0 else "a plain user cannot read sshd's host key"


def trial(key: SigningKey) -> signature.Signature:
    """A signature that is made to see whether ``key`` can. Raises PachaError."""
    return signature.sign(b"doctor\n", "doctor@pacha", key.path)


def allowed_line(host: str, made: signature.Signature) -> str:
    """The line of an allowed-signers file for the key that made a signature."""
    kind, key = signature.key_words(made.key)
    return f'{host} namespaces="*@pacha" {printable(kind)} {key}'
