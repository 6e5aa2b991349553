"""Only the identities of recipients open what is sealed; what is no identity is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest

from pacha.errors import ConfigError, UsageError
from pacha.sealing import age
from pacha.sealing.age import NotOpened, Recipient, SealIdentities


def identity() -> tuple[bytes, Recipient]:
    made = pyrage.x25519.Identity.generate()
    return str(made).encode(), Recipient(str(made.to_public()))


def refuse(question: str) -> str:
    raise AssertionError(question)


def test_each_recipient_opens_it_and_nobody_else() -> None:
    (one, for_one), (two, for_two), (other, _) = identity(), identity(), identity()
    sealed = age.seal(b"secret", [for_one, for_two])
    assert sealed.startswith(age.HEADER) and sealed != age.seal(b"secret", [for_one, for_two])
    assert age.opened(sealed, SealIdentities((one,))) == age.opened(sealed, SealIdentities((other, two))) == b"secret"
    for wrong in (sealed[:-1], sealed[:40], b"", sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(NotOpened):
            age.opened(wrong, SealIdentities((one,)))
    with pytest.raises(NotOpened):
        age.opened(sealed, SealIdentities((other,)))


@pytest.mark.slow
def test_an_ssh_key_is_one_as_well(tmp_path: Path) -> None:
    for kind in ("ed25519", "rsa"):
        path = tmp_path / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
        recipient = Recipient(path.with_suffix(".pub").read_text())
        mine = age.identities(path.read_bytes(), kind, refuse)
        assert age.opened(age.seal(b"secret", [recipient]), mine) == b"secret"


@pytest.mark.parametrize("line", ["", "age1nothing", "ssh-ed25519 AAAA", "AGE-SECRET-KEY-1", "ssh-dss AAAA x"])
def test_what_is_no_recipient(line: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        Recipient(line)


def test_a_file_of_identities_has_comments_and_several_lines() -> None:
    (one, _), (two, _) = identity(), identity()
    assert age.identities(b"# mine\n" + one + b"\n\n" + two + b"\n", "file", refuse).texts == (one, two)
    assert one.decode() not in repr(SealIdentities((one,)))


@pytest.mark.slow
def test_a_passphrase_is_asked_for() -> None:
    one, recipient = identity()
    protected = pyrage.passphrase.encrypt(b"# mine\n" + one + b"\n", "open sesame")
    mine = age.identities(protected, "key.age", lambda question: "open sesame" if "key.age" in question else "")
    assert age.opened(age.seal(b"x", [recipient]), mine) == b"x"
    with pytest.raises(UsageError, match="no identity that can be used") as caught:
        age.identities(protected, "key.age", lambda question: "wrong")
    assert "passphrase" in caught.value.why


@pytest.mark.parametrize(
    "text", [b"", b"# only\n", b"nothing\n", b"\xff\xfe", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"]
)
def test_what_is_no_identity(text: bytes) -> None:
    with pytest.raises(UsageError) as caught:
        age.identities(text, "x\x1b", refuse)
    assert caught.value.code == "identity-unusable"
    assert "\x1b" not in caught.value.in_a_line


def test_where_pyrage_is_lacking_the_line_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(age, "import_module", missing)
    with pytest.raises(ConfigError) as caught:
        Recipient("age1x")
    assert (caught.value.code, age.INSTALL in caught.value.hint) == ("sealing-not-installed", True)
