"""Read the keys of a server's name from known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pacha.wire.ssh.trust import read_trusted

_AUTHORITY = "@cert-authority"


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
    return [key for marker, key in _marked_keys(files, name) if marker != _AUTHORITY]


def authorities(files: Sequence[str], name: str) -> list[KnownKey]:
    """The keys of those who sign certificates for a name. Raises ConfigError as ``known_keys`` does."""
    return [key for marker, key in _marked_keys(files, name) if marker == _AUTHORITY]


def _marked_keys(files: Sequence[str], name: str) -> Iterator[tuple[str, KnownKey]]:
    """The keys of a name, each with the marker of its line ("" for none)."""
    for file in files:
        try:
            lines = read_trusted(file).decode("utf-8", "replace").split("\n")
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            words = line.split()
            marker = words.pop(0) if words[:1] in (["@revoked"], [_AUTHORITY]) else ""
            blob = _key_on_line(words, name)
            if blob is not None:
                yield marker, KnownKey(blob, marker == "@revoked", file, number)


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
