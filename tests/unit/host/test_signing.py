"""Which key signs, and what is said where none does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.config.config import Config
from pacha.config.parse import parse_config
from pacha.host import signing
from tests.support.signing import make_key, public


def config(key: str = "") -> Config:
    return parse_config(f"[DEFAULT]\npacha.host = local\npacha.sign.key = {key}\n")


def test_a_named_key_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path / "key")
    monkeypatch.setenv(signing.SWITCH, str(key))
    assert signing.own_key(config("/no/where")) == signing.SigningKey("/no/where", named=True)
    assert signing.own_key(config("no")) is None and "says no" in signing.why_none(config("no"))
    assert signing.own_key(config()) == signing.SigningKey(str(key), named=False)


def test_without_one_sshd_s_is_tried_as_root_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = (str(tmp_path / "ed25519"), str(make_key(tmp_path / "rsa")))
    monkeypatch.setattr(signing, "_HOST_KEYS", keys)
    assert signing.own_key(config()) is None, "the tests' own environment says that there is none"
    monkeypatch.delenv(signing.SWITCH)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert signing.own_key(config()) == signing.SigningKey(keys[1], named=False)
    monkeypatch.setattr(signing, "_HOST_KEYS", ())
    assert signing.own_key(config()) is None and "no host key" in signing.why_none(config())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert signing.own_key(config()) is None and "plain user" in signing.why_none(config())


def test_the_public_half_names_the_key(tmp_path: Path) -> None:
    key = make_key(tmp_path / "key")
    made = signing.trial(signing.SigningKey(str(key), named=True))
    for path in (key, tmp_path / "key.pub"):
        assert signing.SigningKey(str(path), named=True).fingerprint == made.fingerprint
    assert signing.allowed_line("bar", made) == f'bar namespaces="*@pacha" {public(key)}'
    (tmp_path / "key.pub").write_text("nonsense\n")
    assert signing.SigningKey(str(key), named=True).fingerprint == ""
    (tmp_path / "key.pub").unlink()
    assert signing.SigningKey(str(key), named=True).fingerprint == ""
