"""Seal the files of a push: the digest under the newest key, the content for the recipients."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from hmac import HMAC

from pacha.files import keyed
from pacha.files.keyed import Attributes
from pacha.sealing import age, envelope
from pacha.sealing.envelope import Envelope
from pacha.sealing.keys import SealKey
from pacha.sealing.recipients import Recipients


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals for ``recipients``, with digests under ``key``."""

    key: SealKey
    recipients: Recipients

    def begin(self, path: bytes, attributes: Attributes) -> Sealing:
        """Begin with the file ``path``, whose secret attributes these are."""
        return Sealing(self, path, attributes)


class Sealing:
    """One file, whose content is sealed at once, or in parts and in order."""

    def __init__(self, sealer: Sealer, path: bytes, attributes: Attributes) -> None:
        self._sealer = sealer
        self._attributes: Attributes | None = attributes
        self._digest: HMAC = keyed.begin(sealer.key.secret, path, attributes)
        self._stored = hashlib.sha256()

    def seal(self, data: bytes) -> bytes:
        """The sealed bytes of the next part; the first has the attributes with it."""
        self._digest.update(data)
        if self._attributes is not None:
            data, self._attributes = envelope.wrap(Envelope(self._attributes, data)), None
        sealed = age.seal(data, self._sealer.recipients.keys)
        self._stored.update(sealed)
        return sealed

    @property
    def sha256(self) -> bytes:
        """The keyed digest of what was sealed."""
        return self._digest.digest()

    @property
    def sealed(self) -> bytes:
        """What ``Entry.sealed`` says of it."""
        return self._stored.digest() + self._sealer.key.id
