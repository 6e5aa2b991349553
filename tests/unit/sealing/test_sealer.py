"""A file is sealed whole or in parts; its digest says nothing without the key."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pacha.files import keyed
from pacha.sealing import keys, recipients
from pacha.sealing.sealer import Sealer
from tests.support.sealing import sealers


def test_what_an_entry_says_of_it(tmp_path: Path) -> None:
    for_whom = recipients.read(str(sealers(tmp_path.resolve() / "people").recipients))
    sealer = Sealer(keys.make(for_whom), for_whom)
    whole, parts = sealer.begin(b"/a", ((b"user.x", b"y"),)), sealer.begin(b"/a", ((b"user.x", b"y"),))
    stored = whole.seal(b"one two")
    pieces = [parts.seal(b"one "), parts.seal(b"two")]
    assert whole.sha256 == parts.sha256 != hashlib.sha256(b"one two").digest()
    assert whole.sealed == hashlib.sha256(stored).digest() + sealer.key.id
    assert parts.sealed[:32] == hashlib.sha256(b"".join(pieces)).digest()
    assert len(whole.sealed) == keyed.SEALED_SIZE
    assert b"one" not in stored + b"".join(pieces)
