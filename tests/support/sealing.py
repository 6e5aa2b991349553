"""Identities, their recipients in a file, and the settings that seal for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyrage


@dataclass(frozen=True)
class Sealers:
    """Two people who can open what is sealed, one of them offline: files in ``folder``."""

    folder: Path
    at_hand: Path
    offline: Path
    recipients: Path

    @property
    def settings(self) -> dict[str, str]:
        """What a host's configuration says of them."""
        return {"seal_to": str(self.recipients)}


def new_identity(path: Path) -> str:
    """Write an identity to ``path``, as age-keygen does; returns its recipient."""
    identity = pyrage.x25519.Identity.generate()
    path.write_text(f"# created today\n# public key: {identity.to_public()}\n{identity}\n")
    path.chmod(0o600)
    return str(identity.to_public())


def sealers(folder: Path) -> Sealers:
    """Make them in ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    at_hand, offline, recipients = (folder / name for name in ("at-hand", "offline", "recipients"))
    lines = [new_identity(at_hand), "# in the safe", new_identity(offline)]
    recipients.write_text("\n".join(lines) + "\n")
    recipients.chmod(0o644)
    return Sealers(folder, at_hand, offline, recipients)
