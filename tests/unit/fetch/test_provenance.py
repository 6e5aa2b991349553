"""Who signed a snapshot, told before anything of it is read. ``stories/test_signed`` has what a master can forge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.fetch import provenance
from pacha.fetch.provenance import Claim, Provenance, SignatureState
from pacha.store import statement
from pacha.store.host_state import HostState, Stated
from pacha.store.statement import Statement
from pacha.system.signed_text import digest
from pacha.wire import heartbeat
from pacha.wire.heartbeat import LastWord, SignedWord
from tests.support.signing import make_key, public, sign, signers_of

NODE, AT = "ab" * 20, 1_790_000_000.0
SAID = Statement(host="bar", counter=3, at=AT, database=digest(b"db"))


@pytest.fixture(name="key", scope="module")
def one_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "key")


@pytest.fixture(name="claim")
def good_claim(key: Path) -> Claim:
    text = statement.encode(SAID)
    armored = sign(text, key).armored
    return Claim(host="bar", node=NODE, at=AT + 0.9, database=SAID.database, text=text, armored=armored)


def test_what_an_allowed_signer_signed_is_vouched_for(claim: Claim, key: Path) -> None:
    signers = signers_of(f"bar {public(key)}")
    found = provenance.verify(claim, signers)
    assert found.vouched and found.statement == SAID and found.digest == digest(claim.text)
    assert provenance.claimed(claim) == replace(found, vouched=False)
    assert provenance.state_of(claim, signers) == provenance.state_of(claim, None) == (SignatureState.SIGNED, "")


@pytest.mark.parametrize(
    "change,code",
    [
        ({"text": b"", "armored": b""}, "snapshot-unsigned"),
        ({"armored": b""}, "snapshot-unsigned"),
        ({"armored": b"x"}, "signature-wrong"),
        ({"host": "foo"}, "statement-differs"),
        ({"database": digest(b"other")}, "statement-differs"),
        ({"at": AT + 3}, "statement-differs"),
        ({"at": AT - 3}, "statement-differs"),
        ({"text": b"x"}, "statement-differs"),
    ],
)
def test_what_does_not_fit_is_refused(claim: Claim, key: Path, change: dict[str, object], code: str) -> None:
    forged, signers = replace(claim, **change), signers_of(f"bar,foo {public(key)}")  # type: ignore[arg-type]
    with pytest.raises(DamagedError) as caught:
        provenance.verify(forged, signers)
    assert caught.value.code == code and caught.value.hint.startswith("Nothing was changed.")
    assert provenance.claimed(forged) == Provenance()
    state, fault = provenance.state_of(forged, signers)
    assert fault and state is (SignatureState.BAD if forged.text or forged.armored else SignatureState.UNSIGNED)
    assert provenance.state_of(forged, None)[0] is state


@pytest.mark.parametrize(
    "line,revoked,code",
    [
        ("bar ssh-ed25519 AAAA", "", "signer-unknown"),
        ("foo {key}", "", "signer-not-allowed"),
        ('bar valid-before="20200101" {key}', "", "signer-not-allowed"),
        ("bar {key}", "{key}", "signer-revoked"),
        ("foo {key}", "{key}", "signer-not-allowed"),
    ],
)
def test_the_reason_is_told(claim: Claim, key: Path, line: str, revoked: str, code: str) -> None:
    fill = {"{key}": public(key)}
    signers = signers_of(line.replace("{key}", fill["{key}"]), revoked=revoked.replace("{key}", fill["{key}"]) + "\n")
    signers = signers if revoked else replace(signers, revoked=b"")
    with pytest.raises(DamagedError) as caught:
        provenance.verify(claim, signers)
    assert caught.value.code == code and "SHA256:" in caught.value.why


def test_a_heartbeat_is_a_word_of_its_host(key: Path) -> None:
    word = LastWord(host="bar", counter=3, at=AT, frequency=12, tip=NODE, statement=digest(b"x"))
    text = heartbeat.encode_word(word)
    good = SignedWord(word=word, text=text, signature=sign(text, key, heartbeat.NAMESPACE))
    for signers in (None, signers_of(f"bar {public(key)}")):
        provenance.check_word(good, "bar", signers)
        for bad, host in ((good, "foo"), (replace(good, signature=sign(text, key)), "bar")):
            with pytest.raises(DamagedError):
                provenance.check_word(bad, host, signers)


def test_what_is_accepted_only_goes_on() -> None:
    found = Provenance(statement=SAID, digest="d", key="k")
    for known, then in ((None, 3), (2, 3), (3, 3), (4, 4)):
        state = HostState(stated={"bar": Stated(counter=known, digest="x")} if known else {})
        assert provenance.accepted(state, "bar", NODE, found)["bar"].counter == then
    high = replace(found, statement=replace(SAID, counter=10**14))
    assert provenance.accepted(HostState(), "bar", NODE, high) == {}
    assert provenance.accepted(HostState(), "bar", NODE, replace(high, vouched=True))["bar"].counter == 10**14
    assert provenance.accepted(HostState(), "bar", NODE, Provenance()) == {}
    said_by_anybody = provenance.accepted(HostState(), "bar", NODE, found)["bar"]
    assert said_by_anybody.key == "", "so the next push signs it by the host's own key"
    assert provenance.accepted(HostState(), "bar", NODE, replace(found, vouched=True))["bar"].key == "k"
