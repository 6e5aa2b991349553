"""Open what was sealed, with the identities of whoever has them, and check it against its keyed digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hmac import HMAC, compare_digest

from pacha.files import keyed
from pacha.files.keyed import Attributes
from pacha.sealing import age, envelope, keys
from pacha.sealing.age import NotOpened, SealIdentities
from pacha.sealing.keys import SealKey

NO_IDENTITY = "it is sealed, and no identity was given (--identity FILE)"
_NOT_FOR_US = "it is sealed, and no identity that was given opens it"
_NO_KEY = "it is sealed, and no identity that was given opens the key that it is checked with"


class Shut(Exception):
    """It stays sealed, for the reason (str) that is the argument."""


class Mismatch(Exception):
    """What was opened is not what was sealed for this path."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What came out of a sealed file: its secret attributes, and the SHA-256 of its content."""

    attributes: Attributes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Opener:
    """What ``identities`` open. ``keys``: those that they opened, by id."""

    identities: SealIdentities = field(default_factory=SealIdentities)
    keys: Mapping[bytes, SealKey] = field(default_factory=dict)

    @classmethod
    def of(cls, text: bytes | None, identities: SealIdentities) -> Opener:
        """The opener for a snapshot with the companion ``text`` (None: it has none). Raises DamagedError."""
        opened: dict[bytes, SealKey] = {}
        for key in keys.decode(text) if text is not None else ():
            try:
                opened[key.id] = keys.open_key(key, identities) if identities else key
            except (NotOpened, ValueError):
                continue
        return cls(identities, opened if identities else {})

    def begin(self, path: bytes, sealed: bytes) -> Opening:
        """Begin with the file ``path`` whose entry's ``sealed`` this is. Raises Shut."""
        if not self.identities:
            raise Shut(NO_IDENTITY)
        key = self.keys.get(keyed.key_id(sealed))
        if key is None:
            raise Shut(_NO_KEY)
        return Opening(self.identities, key.secret, path)


class Opening:
    """One file, whose content is opened at once, or in parts and in order."""

    def __init__(self, identities: SealIdentities, key: bytes, path: bytes) -> None:
        self._identities, self._key, self._path = identities, key, path
        self._digest: HMAC | None = None
        self._attributes: Attributes = ()
        self._plain = hashlib.sha256()

    def open(self, sealed: bytes) -> bytes:
        """The content of the next part. Raises Shut, Mismatch."""
        try:
            data = age.opened(sealed, self._identities)
            if self._digest is None:
                first = envelope.unwrap(data)
                self._attributes, data = first.attributes, first.content
                self._digest = keyed.begin(self._key, self._path, self._attributes)
        except NotOpened:
            raise Shut(_NOT_FOR_US) from None
        except ValueError as error:
            raise Mismatch(str(error)) from None
        self._digest.update(data)
        self._plain.update(data)
        return data

    def finish(self, sha256: bytes) -> Opened:
        """Check it against the keyed digest ``sha256`` of the entry. Raises Mismatch."""
        if self._digest is None or not compare_digest(self._digest.digest(), sha256):
            raise Mismatch("its keyed digest is another than the snapshot names")
        return Opened(self._attributes, self._plain.digest())


def check_stored(parts: Iterable[bytes], sealed: bytes) -> None:
    """Check what is stored of a file against its entry's ``sealed``, which takes no identity. Raises Mismatch."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    if not compare_digest(sha.digest(), sealed[: sha.digest_size]):
        raise Mismatch("it is not what the snapshot names")
