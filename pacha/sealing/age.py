"""The cryptography of sealing: age (https://age-encryption.org/v1), by the package pyrage. Nothing else imports it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pacha.errors import ConfigError, UsageError
from pacha.text import escape

INSTALL = "pip install pyrage"
HEADER = b"age-encryption.org/v1\n"  #: how each sealed content begins
_ARMOUR = b"-----BEGIN AGE ENCRYPTED FILE-----"
_PRIVATE_KEY = b"-----BEGIN "
LARGEST_IDENTITY = 1 << 20  #: bytes of a file of identities


class NotOpened(Exception):
    """None of the identities opens it, or it is damaged."""


@dataclass(frozen=True, slots=True)
class SealIdentities:
    """What opens sealed contents: texts of secret keys, each an age identity's line or an SSH private key."""

    texts: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.texts)


class Recipient:
    """A public key that contents are sealed for."""

    def __init__(self, text: str) -> None:
        """Parse one line. Raises ValueError for anything else, ConfigError if pyrage is missing."""
        pyrage = _pyrage()
        self.text = " ".join(text.split()[:2])  # the comment of an SSH key says nothing
        try:
            kind = pyrage.ssh if self.text.startswith("ssh-") else pyrage.x25519
            self.key: Any = kind.Recipient.from_str(self.text)
        except pyrage.RecipientError:
            raise ValueError("neither an age recipient (age1...) nor an SSH public key (ed25519, rsa)") from None


def seal(data: bytes, recipients: Sequence[Recipient]) -> bytes:
    """``data`` for the ``recipients``, any of whom can open it. No two results are alike."""
    return bytes(_pyrage().encrypt(data, [recipient.key for recipient in recipients]))


def opened(data: bytes, identities: SealIdentities) -> bytes:
    """What is sealed in ``data``. Raises NotOpened."""
    pyrage = _pyrage()
    try:
        return bytes(pyrage.decrypt(data, [_parsed(pyrage, text) for text in identities.texts]))
    except (pyrage.DecryptError, pyrage.IdentityError, ValueError) as error:
        raise NotOpened(str(error)) from None


def identities(text: bytes, name: str, ask: Callable[[str], str]) -> SealIdentities:
    """The identities in the ``text`` of a file, which messages call ``name``; ``ask`` returns its passphrase.

    Raises UsageError if there are none, ConfigError if pyrage is missing.
    """
    pyrage = _pyrage()
    if text.startswith((HEADER, _ARMOUR)):
        try:
            text = bytes(pyrage.passphrase.decrypt(text, ask(f"Passphrase of {name}")))
        except pyrage.DecryptError:
            raise _refused(name, "the passphrase does not open it") from None
    lines = [line.strip() for line in text.splitlines()]
    texts = [text] if text.startswith(_PRIVATE_KEY) else [line for line in lines if line and line[:1] != b"#"]
    for each in texts:
        try:
            _parsed(pyrage, each)
        except (pyrage.IdentityError, ValueError):
            why = "an SSH key with a passphrase has to be copied without one first: ssh-keygen -p"
            raise _refused(name, why if each.startswith(_PRIVATE_KEY) else "a line is no age identity") from None
    if not texts:
        raise _refused(name, "it is empty")
    return SealIdentities(tuple(texts))


def _parsed(pyrage: Any, text: bytes) -> Any:
    if text.startswith(_PRIVATE_KEY):
        return pyrage.ssh.Identity.from_buffer(text)
    with suppress(UnicodeDecodeError):
        return pyrage.x25519.Identity.from_str(text.decode("ascii"))
    raise ValueError("not ASCII")


def _refused(name: str, why: str) -> UsageError:
    return UsageError(
        f"{escape(name.encode('utf-8', 'surrogateescape'))} has no identity that can be used.",
        why,
        "Name the file that age-keygen wrote, or an SSH private key (ed25519, rsa).",
        code="identity-unusable",
    )


def _pyrage() -> Any:
    """The module, imported when something is sealed or opened: most runs need none of it."""
    try:
        return import_module("pyrage")
    except ImportError:
        raise ConfigError(
            "Sealing needs the package pyrage, which is not installed.",
            "it is an optional part of Pacha",
            f"Install it beside Pacha: {INSTALL}",
            code="sealing-not-installed",
        ) from None
