"""Read the keys of a server's name from known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pacha.wire.ssh.trust import read_trusted


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key in a known_hosts file: the key itself (RFC 4253, 6.6), the file and the line."""

    blob: bytes
    revoked: bool
    file: str
    line: int

    @property
    def kind(self) -> str:
        """Its type, such as ``ssh-ed25519``."""
        return key_kind(self.blob)


def known_keys(files: Sequence[str], name: str) -> list[KnownKey]:
    """The keys of a name in known_hosts files. Ignores lines that it does not understand.

    Ignores ``@cert-authority`` lines, too: Pacha recognises servers by their keys alone. Raises ConfigError for a file
    that another user could change.
    """
    keys = []
    for file in files:
        try:
            lines = read_trusted(file).decode("utf-8", "replace").split("\n")
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            words = line.split()
            revoked = words[:1] == ["@revoked"]
            if revoked:
                del words[0]
            blob = _key_on_line(words, name)
            if blob is not None:
                keys.append(KnownKey(blob, revoked, file, number))
    return keys


def _key_on_line(words: list[str], name: str) -> bytes | None:
    if len(words) < 3 or words[0][0] in "#@" or not _names(words[0], name.lower()):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except ValueError:
        return None
    return blob if key_kind(blob) == words[1] else None


def _names(patterns: str, name: str) -> bool:
    """Whether a host field matches a name (lower case): hashed, or patterns with ``* ? !`` and commas."""
    if patterns.startswith("|"):
        return _hash_names(patterns, name)
    matches = False
    for pattern in patterns.lower().split(","):
        text = re.escape(pattern.lstrip("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(text, name):
            if pattern.startswith("!"):
                return False
            matches = True
    return matches


def _hash_names(field: str, name: str) -> bool:
    """Whether ``|1|salt|hash`` is the HMAC-SHA1 of a name (ssh_config(5), HashKnownHosts)."""
    parts = field.split("|")
    try:
        _, kind, salt, digest = parts
        recorded = base64.b64decode(digest)
        computed = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return kind == "1" and hmac.compare_digest(computed, recorded)


def key_kind(blob: bytes) -> str:
    """The type in a key (RFC 4253, 6.6); arbitrary text if it is not a key."""
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length].decode("ascii", "replace")


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a key as ssh-keygen(1) shows it: ``SHA256:...``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
