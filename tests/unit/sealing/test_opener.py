"""What is opened is checked: the path, the attributes, the order of parts; without an identity it stays shut."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.sealing import age, keys, recipients
from pacha.sealing.age import SealIdentities
from pacha.sealing.opener import Mismatch, Opener, Shut, check_stored
from pacha.sealing.sealer import Sealer
from tests.support.sealing import new_identity, sealers


@pytest.fixture(name="sealer")
def new_sealer(tmp_path: Path) -> Sealer:
    for_whom = recipients.read(str(sealers(tmp_path.resolve() / "people").recipients))
    return Sealer(keys.make(for_whom), for_whom)


def identities(path: Path) -> SealIdentities:
    return age.identities(path.read_bytes(), "", str)


def test_it_comes_back_and_nothing_else_passes(sealer: Sealer, tmp_path: Path) -> None:
    opener = Opener.of(keys.encode([sealer.key]), identities(tmp_path / "people" / "offline"))
    made = sealer.begin(b"/a", ((b"user.x", b"y"),))
    parts = [made.seal(b"one "), made.seal(b"two "), made.seal(b"three")]
    check_stored(parts, made.sealed)
    opening = opener.begin(b"/a", made.sealed)
    assert b"".join(map(opening.open, parts)) == b"one two three"
    opened = opening.finish(made.sha256)
    assert (opened.attributes, opened.sha256) == (((b"user.x", b"y"),), hashlib.sha256(b"one two three").digest())
    for path, order in ((b"/b", parts), (b"/a", [parts[0], parts[2], parts[1]]), (b"/a", parts[:2])):
        opening = opener.begin(path, made.sealed)
        for part in order:
            opening.open(part)
        with pytest.raises(Mismatch):
            opening.finish(made.sha256)
    with pytest.raises(Mismatch):
        opener.begin(b"/a", made.sealed).open(parts[1])
    with pytest.raises(Mismatch):
        opener.begin(b"/a", made.sealed).finish(made.sha256)
    with pytest.raises(Mismatch):
        check_stored(parts[:2], made.sealed)


def test_what_stays_shut(sealer: Sealer, tmp_path: Path) -> None:
    made = sealer.begin(b"/a", ())
    stored, text = made.seal(b"one"), keys.encode([sealer.key])
    new_identity(tmp_path / "stranger")
    stranger, friend = identities(tmp_path / "stranger"), identities(tmp_path / "people" / "at-hand")
    for opener in (Opener.of(text, SealIdentities()), Opener.of(text, stranger), Opener.of(None, friend)):
        with pytest.raises(Shut):
            opener.begin(b"/a", made.sealed)
    forged = age.seal(b"of the master", [age.Recipient(new_identity(tmp_path / "another"))])
    with pytest.raises(Shut):
        Opener.of(text, friend).begin(b"/a", made.sealed).open(forged)
    with pytest.raises(Shut):
        Opener.of(text, friend).begin(b"/a", made.sealed).open(stored[:-5])
    with pytest.raises(Shut):
        Opener.of(keys.encode([replace(sealer.key, sealed=b"x")]), friend).begin(b"/a", made.sealed)
    with pytest.raises(DamagedError):
        Opener.of(b"nonsense", friend)
