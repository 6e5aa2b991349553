"""Signatures by ssh-keygen: made, verified, and refused for each reason that there is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.system import signature
from pacha.system.signature import Signature
from tests.support.agent import ssh_agent
from tests.support.signing import make_key, public

TEXT, SPACE, NOW = b"pacha-snapshot 1\n", "snapshot@pacha", 1_790_000_000.0


@pytest.fixture(name="key", scope="module")
def one_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "key")


def is_by(signed: Signature, line: str, text: bytes = TEXT, revoked: str = "", at: float = NOW) -> bool:
    return signature.is_by(
        text, signed, SPACE, principal="bar", at=at, signers=f"{line}\n".encode(), revoked=revoked.encode()
    )


def test_what_a_key_signed_is_its_own(key: Path) -> None:
    signed = signature.sign(TEXT, SPACE, str(key))
    said = subprocess.run(["ssh-keygen", "-lf", f"{key}.pub"], capture_output=True, text=True, check=True)
    assert signed.fingerprint in said.stdout and signed.namespace == SPACE.encode()
    assert signature.is_intact(TEXT, signed, SPACE)
    assert is_by(signed, f"bar {public(key)}") and is_by(signed, f'bar namespaces="*@pacha" {public(key)}')
    assert " ".join(signature.key_words(signed.key)) == public(key)


@pytest.mark.parametrize(
    "line",
    [
        "# nobody",
        "foo {key}",
        'bar namespaces="git" {key}',
        'bar valid-before="20200101" {key}',
        'bar valid-after="20900101" {key}',
        "!bar,* {key}",
        "ba? ssh-ed25519 AAAA",
        "\0\xff",
    ],
)
def test_a_line_says_who_may_sign_what_and_when(key: Path, line: str) -> None:
    assert not is_by(signature.sign(TEXT, SPACE, str(key)), line.replace("{key}", public(key)))


def test_a_key_has_its_time(key: Path) -> None:
    line = f'bar valid-after="20260101",valid-before="20260201" {public(key)}'
    signed = signature.sign(TEXT, SPACE, str(key))
    assert [is_by(signed, line, at=at) for at in (1_767_000_000, 1_768_500_000, 1_770_000_000)] == [False, True, False]


def test_a_revoked_key_signs_nothing(key: Path) -> None:
    assert not is_by(signature.sign(TEXT, SPACE, str(key)), f"bar {public(key)}", revoked=f"{public(key)}\n")


def test_another_text_or_purpose_is_not_signed(key: Path) -> None:
    signed = signature.sign(TEXT, SPACE, str(key))
    assert not signature.is_intact(TEXT + b"x", signed, SPACE) and not signature.is_intact(TEXT, signed, "git")
    assert not is_by(signature.sign(TEXT, "git", str(key)), f"bar {public(key)}")


@pytest.mark.parametrize("how", ["", "-----BEGIN SSH SIGNATURE-----", "cut", "noise", "twice", "large", "after"])
def test_what_is_no_signature_is_not_read(key: Path, how: str) -> None:
    good = signature.sign(TEXT, SPACE, str(key)).armored
    assert signature.read_armored(good).armored == good
    bad = {"cut": good[: len(good) // 2], "noise": os.urandom(300), "twice": good * 2, "large": good + b" " * 20_000}
    with pytest.raises(ValueError):
        signature.read_armored(bad.get(how, good + b"more" if how == "after" else how.encode()))


@pytest.mark.parametrize("blob", [b"", b"SSHSIG", b"SSHSIG\0\0\0\2", b"SSHSIG\0\0\0\1\xff\xff\xff\xff", b"x" * 20_000])
def test_a_blob_that_claims_more_than_it_has_is_not_read(blob: bytes) -> None:
    with pytest.raises(ValueError):
        signature.read_blob(blob)


def test_a_key_of_an_agent_is_named_by_its_public_half(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = key.with_name("alone.pub")
    alone.write_text(f"{public(key)}\n")
    with pytest.raises(PachaError) as caught:
        signature.sign(TEXT, SPACE, str(alone))
    assert caught.value.code == "signing-failed"
    with ssh_agent(tmp_path / "agent") as agent:
        agent.add(key)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        assert is_by(signature.sign(TEXT, SPACE, str(alone)), f"bar {public(key)}")


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "key")]
    subprocess.run(command, check=True)
    with pytest.raises(PachaError) as caught:
        signature.sign(b"secret\n", SPACE, str(tmp_path / "key"))
    assert caught.value.code == "signing-failed"


def test_without_the_program_nothing_is_verified(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = signature.sign(TEXT, SPACE, str(key))
    monkeypatch.setattr(signature, "find_program", lambda name: "")
    with pytest.raises(PachaError) as caught:
        signature.is_intact(TEXT, signed, SPACE)
    assert caught.value.code == "signature-not-checked"
    with pytest.raises(PachaError) as caught:
        signature.sign(TEXT, SPACE, str(key))
    assert caught.value.code == "signing-failed"
