"""A key to log in with, as paramiko needs it; and the reasons why one cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from pacha.wire.ssh.agent import AgentError
from pacha.wire.ssh.known_hosts import key_kind
from pacha.wire.ssh.library import paramiko
from pacha.wire.ssh.public_key import CERTIFICATE, packed


class KeyOutcome(Enum):
    """The outcome of a key, in the words that follow its name."""

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
    """A key that cannot be used: why, and the system's message if there is one."""

    outcome: KeyOutcome
    words: str = ""


class Offer(paramiko.PKey):
    """A public key or certificate (``blob``), and a function that signs with its private half.

    ``sign`` is called in paramiko's thread, in which an exception would end the connection. If it raises AgentError,
    ``failure`` is the message, and the server gets an invalid signature, so that the next key can be tried.
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
            return packed(name.removesuffix(CERTIFICATE).encode()) + packed(bytes(64))
