"""The signers: this machine's own allowed-signers file says whose signatures count (ssh-keygen(1), ALLOWED SIGNERS).

It never comes from a master, and only its owner or root may change or replace it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from pacha.errors import ConfigError
from pacha.system import signature
from pacha.system.trust import UntrustedError, read_trusted
from pacha.text import printable

_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """The content of an allowed-signers file; ``name``: its path; ``revoked``: keys that do not count, b"" for none."""

    name: str
    text: bytes
    revoked: bytes = b""


def load_signers(path: str | None, revoked: str | None) -> Signers | None:
    """Read the files at ``path`` and ``revoked``; None without a ``path``. Raises ConfigError."""
    if path is None:
        return None
    text = _read(path)
    if not text.strip():
        raise _unreadable(printable(path), "it is empty")
    return Signers(name=printable(path), text=text, revoked=_read_revoked(revoked) if revoked else b"")


def _read_revoked(path: str) -> bytes:
    """The revoked keys, if ssh-keygen can read them: otherwise it would call every key revoked, and blame the host."""
    text = _read(path)
    if text.startswith(signature.KRL):
        if not signature.is_krl(text):
            raise _unreadable(printable(path), "ssh-keygen cannot read this KRL")
        return text
    for number, line in enumerate(text.split(b"\n"), 1):
        try:
            if (words := line.strip()) and not words.startswith(b"#"):
                signature.read_public(words)
        except ValueError:
            raise _unreadable(printable(path), f"line {number} is not a public key") from None
    return text


def _read(path: str) -> bytes:
    name = printable(path)
    try:
        text = read_trusted(Path(path), _MOST_BYTES)
    except UntrustedError as error:
        place = printable(str(error.place))
        raise ConfigError(
            f"{name}: not to be trusted.",
            f"{place}: {error.why}, and it says whose snapshots are restored",
            f"Run: chown $(id -u) {shlex.quote(place)} && chmod go-w {shlex.quote(place)}",
            code="signers-not-trusted",
        ) from None
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from None
    if len(text) > _MOST_BYTES:
        raise _unreadable(name, "it is too large")
    return text


def _unreadable(name: str, why: str) -> ConfigError:
    hint = "pacha.signers, pacha.signers.revoked or --signers names it: correct that. Nothing was changed."
    return ConfigError(f"{name} cannot be read.", why, hint, code="signers-unreadable")
