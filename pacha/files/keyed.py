"""The digest of sealed content: HMAC-SHA-256 (RFC 2104) with a random key of the host.

It covers the path, the secret attributes and the content: without the key, nobody can find equal contents or test a
guess, and content of another path has another digest.
"""

from __future__ import annotations

import hmac
import json

KEY_SIZE = 32  #: bytes of a key
ID_SIZE = 8  #: bytes that name a key
SEALED_SIZE = 32 + ID_SIZE  #: of ``Entry.sealed``: the SHA-256 of what is stored, then the key's id
Attributes = tuple[tuple[bytes, bytes], ...]
#: The attributes of programs and people. Those of the system (ACLs, capabilities, labels) stay in the clear.
_SECRET = (b"user.", b"trusted.")


def secret(xattrs: Attributes) -> Attributes:
    """Those of the extended attributes ``xattrs`` that are sealed with the content."""
    return tuple(pair for pair in xattrs if pair[0].startswith(_SECRET))


def clear(xattrs: Attributes) -> Attributes:
    """Those of the extended attributes ``xattrs`` that stay in the clear."""
    return tuple(pair for pair in xattrs if not pair[0].startswith(_SECRET))


def packed(attributes: Attributes) -> bytes:
    """Attributes as one line of ASCII, without its end."""
    return json.dumps([[name.hex(), value.hex()] for name, value in attributes]).encode("ascii")


def begin(key: bytes, path: bytes, attributes: Attributes) -> hmac.HMAC:
    """The digest of the file ``path`` (absolute) with these secret attributes, to be updated with its content."""
    head = packed(attributes)
    lengths = b"".join(len(part).to_bytes(8, "big") for part in (path, head))
    return hmac.new(key, b"pacha-sealed 1\n" + lengths + path + head, "sha256")


def key_id(sealed: bytes | None) -> bytes:
    """The id of the key that an entry's ``sealed`` names; b"" for an entry that is not sealed yet, or never."""
    return (sealed or b"")[32:]
