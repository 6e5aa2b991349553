"""A key that a server is asked to take, as paramiko wants it; and why one cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pacha.wire.ssh.agent import AgentError
from pacha.wire.ssh.known_hosts import key_kind
from pacha.wire.ssh.library import paramiko


class KeyOutcome(Enum):
    """How it went with a key, in the words that follow its name."""

    REFUSED = "refused"
    TAKEN = "taken, but the master wants more than a key"
    NO_KEYS = "the master takes no keys from this user"
    HUNG_UP = "the master hung up"
    LOCKED = "needs a passphrase, and no agent has it"
    NOT_A_KEY = "not a key that can be used"
    PUBLIC = "the public half, and no agent has the private one"
    MISSING = "No such file or directory"
    UNREADABLE = "cannot be read"
    OPEN = "others than its owner may read it, so ssh does not use it either"
    SILENT = "no answer"
    UNSIGNED = "the agent does not sign with it"
    NO_HASH = "the master takes no RSA keys"


@dataclass(frozen=True, slots=True)
class Unusable:
    """A key that cannot be used: how that is, and the system's word for it if it has one."""

    outcome: KeyOutcome
    words: str = ""


class Offer(paramiko.PKey):
    """A public key or certificate (``blob``), and what signs with its private half.

    ``sign`` is called in paramiko's thread, which an exception would end together with the connection. Where it
    raises AgentError, ``failure`` holds the words, and the server is sent a signature that it refuses: the next key
    gets its turn.
    """

    def __init__(self, blob: bytes, sign: Callable[[bytes, str], bytes]) -> None:
        self.public_blob = None
        self.blob = blob
        self.failure = ""
        self._sign = sign

    def get_name(self) -> str:
        return key_kind(self.blob)

    def asbytes(self) -> bytes:
        return self.blob

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> bytes:  # type: ignore[override]
        name = algorithm or self.get_name()
        try:
            return self._sign(data, name)
        except AgentError as error:
            self.failure = str(error)
            words = (name.removesuffix("-cert-v01@openssh.com").encode(), bytes(64))
            return b"".join(len(word).to_bytes(4, "big") + word for word in words)
