"""The keys of digests: in the state folder for its owner alone, elsewhere sealed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import ConfigError, DamagedError, PachaError
from pacha.sealing import age, keys, recipients
from pacha.sealing.age import SealIdentities
from tests.support.sealing import new_identity, sealers


def test_a_key_is_opened_by_an_identity_and_has_no_secret_in_the_text(tmp_path: Path) -> None:
    people = sealers(tmp_path.resolve() / "people")
    for_whom = recipients.read(str(people.recipients))
    one, two = keys.make(for_whom), keys.make(for_whom)
    text = keys.encode([two, one])
    assert one.secret not in text and one.secret.hex().encode() not in text and repr(one.secret) not in repr(one)
    found = keys.decode(text)
    assert [key.id for key in found] == [two.id, one.id] and not any(key.secret for key in found)
    mine = age.identities(people.offline.read_bytes(), "", str)
    assert [keys.open_key(key, mine) for key in found] == [two, one]
    identity = people.offline.read_bytes().splitlines()[-1]
    with pytest.raises(age.NotOpened):
        keys.open_key(found[0], SealIdentities((identity[:-1] + (b"Q" if identity.endswith(b"X") else b"X"),)))


def test_they_stay_in_the_state_folder(tmp_path: Path) -> None:
    assert keys.read(tmp_path) == {} and keys.secrets_in(tmp_path) == {}
    people = sealers(tmp_path.resolve() / "people")
    key = keys.make(recipients.read(str(people.recipients)))
    shut = keys.SealKey(id=b"12345678", sealed=b"sealed")
    keys.write(tmp_path, {key.id: key, shut.id: shut})
    assert (tmp_path / keys.FILE).stat().st_mode & 0o777 == 0o600
    assert list(keys.read(tmp_path).values()) == [key, shut]
    assert keys.secrets_in(tmp_path) == {key.id: key.secret}
    for text in ("", "{}", '[{"id": 1}]', '[{"id": "xx", "sealed": "", "key": "", "recipients": ""}]'):
        (tmp_path / keys.FILE).write_text(text)
        if text != "{}":
            with pytest.raises(PachaError, match="cannot be read"):
                keys.read(tmp_path)


LINE = b"0123456789abcdef c2VhbGVk\n"


@pytest.mark.parametrize(
    "text", [b"", b"x\n", LINE + LINE, LINE + b"\n", LINE[1:], LINE.replace(b"c2", b"c"), LINE * 100, b"a" * (5 << 20)]
)
def test_a_text_from_elsewhere(text: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        keys.decode(text)
    assert caught.value.code == "seal-keys-damaged"


@pytest.mark.parametrize("inside", [b"", b"[]", b'{"key": "00", "recipients": ""}', b"[" * 100_000, b'{"key": 1}'])
def test_a_key_that_is_none(tmp_path: Path, inside: bytes) -> None:
    people = sealers(tmp_path.resolve() / "people")
    sealed = age.seal(inside, recipients.read(str(people.recipients)).keys)
    with pytest.raises(ValueError, match="something else"):
        keys.open_key(keys.SealKey(id=b"12345678", sealed=sealed), age.identities(people.at_hand.read_bytes(), "", str))


@pytest.mark.parametrize(
    "patterns",
    [["x"] * 1001, ["/opt/folder/" + "y" * 90] * 400, ["\u00fc" * 60] * 100],
    ids=["many", "long", "escaped"],
)
def test_more_patterns_than_a_reader_takes_are_refused_at_once(tmp_path: Path, patterns: list[str]) -> None:
    for_whom = recipients.read(str(sealers(tmp_path.resolve() / "people").recipients))
    with pytest.raises(ConfigError) as caught:
        keys.make(for_whom, patterns)
    assert caught.value.code == "seal-too-long"


def test_as_many_patterns_as_can_be_sealed_can_be_read(tmp_path: Path) -> None:
    people = sealers(tmp_path.resolve() / "people")
    lines = [new_identity(people.folder / "one") for _ in range(18)]
    people.recipients.write_text("\n".join([people.recipients.read_text(), *lines]))
    key = keys.make(recipients.read(str(people.recipients)), ["p" * 500] * 64)
    mine = age.identities(people.offline.read_bytes(), "", str)
    assert [keys.open_key(each, mine) for each in keys.decode(keys.encode([key]))] == [key]


def test_a_key_that_nobody_vouches_for_is_adopted_for_what_is_there_alone(tmp_path: Path) -> None:
    for_whom = recipients.read(str(sealers(tmp_path.resolve() / "people").recipients))
    own, other = keys.make(for_whom), keys.make(for_whom)
    keys.write(tmp_path, {own.id: own})
    keys.adopt(tmp_path, {key.id: key for key in (other, own)}, vouched=False)
    assert [(key.id, key.is_adopted) for key in keys.read(tmp_path).values()] == [(other.id, True), (own.id, False)]
    forged = replace(own, secret=other.secret)
    keys.adopt(tmp_path, {own.id: forged}, vouched=False)
    assert keys.read(tmp_path)[own.id].is_adopted, "another secret under a known id"
    keys.adopt(tmp_path, {own.id: own}, vouched=True)
    assert not keys.read(tmp_path)[own.id].is_adopted
