"""Adding a host: what is refused before anything is made, and how open its folder is."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import pytest

from pacha.errors import UsageError
from pacha.server.add_host import Allowed, add_host

ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()


LINE = f"ssh-ed25519 {ED25519} root@bar"


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/pacha/bin/pacha"])


@pytest.mark.parametrize(
    "arguments",
    [
        {"install": "root"},
        {"allowed": Allowed(push_only=True)},
        {"allowed": Allowed(expires="1d")},
        {"key": LINE.encode(), "allowed": Allowed(push_only=True, rebuild_only=True)},
        {"key": LINE.encode(), "user": "root", "install": "nobody"},
        {"key": LINE.encode(), "install": "nobody"},  # its shell is nologin
        {"key": b"no key"},
        {"key": LINE.encode(), "allowed": Allowed(expires="yesterday")},
        {"user": "nobody-of-this-name"},
        {"host": "../foo"},
    ],
)
def test_nothing_is_made_for_what_makes_no_sense(tmp_path: Path, arguments: dict[str, object]) -> None:
    given: dict[str, object] = {"host": "bar", "user": None, **arguments}
    with pytest.raises(UsageError):
        add_host(os.fsencode(tmp_path / "hosts"), **given)  # type: ignore[arg-type]
    assert not (tmp_path / "hosts").exists()


def test_a_new_folder_of_hosts_is_open_to_their_accounts_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        add_host(os.fsencode(tmp_path / "pacha/hosts"), "bar", None)
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("pacha", "pacha/hosts", "pacha/hosts/bar")]
    assert modes == [0o755, 0o755, 0o700]
