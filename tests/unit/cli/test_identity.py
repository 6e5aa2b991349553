"""Identities come from files, from standard input, and with a passphrase from the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from pacha.cli import identity
from pacha.errors import UsageError
from pacha.sealing import age
from pacha.sealing.age import SealIdentities
from tests.support.sealing import new_identity


def test_several_files_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_identity(tmp_path / "one")
    new_identity(tmp_path / "two")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "two").read_bytes())))
    assert len(identity.read_identities([str(tmp_path / "one"), "-"]).texts) == 2
    assert not identity.read_identities([])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        identity.read_identities([str(tmp_path / "none\x1b")])
    assert caught.value.code == "identity-unreadable" and "\x1b" not in caught.value.in_a_line


def test_a_passphrase_is_asked_for_on_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "locked").write_bytes(b"locked")

    def asking(text: bytes, name: str, ask: Callable[[str], str]) -> SealIdentities:
        return SealIdentities((text, ask(f"Passphrase of {name}").encode()))

    monkeypatch.setattr(age, "identities", asking)
    monkeypatch.setattr(click, "prompt", lambda question, **options: "sesame" if options["hide_input"] else "")
    assert identity.read_identities([str(tmp_path / "locked")]).texts == (b"locked", b"sesame")

    def nobody(question: str, **options: object) -> str:
        raise click.Abort

    monkeypatch.setattr(click, "prompt", nobody)
    with pytest.raises(UsageError) as caught:
        identity.read_identities([str(tmp_path / "locked")])
    assert caught.value.code == "passphrase-missing"
