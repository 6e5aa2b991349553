"""sshd whose addresses are those of another network."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine import listening


def sshd(folder: Path, *addresses: str, status: int = 0) -> str:
    path = folder / "sshd"
    lines = "".join(f"echo 'listenaddress {address}'\n" for address in addresses)
    path.write_text(f'#!/bin/sh\n[ "$1" = -T ] || exit 9\necho port 22\n{lines}exit {status}\n')
    path.chmod(0o755)
    return str(path)


def test_addresses_of_which_none_is_here(tmp_path: Path) -> None:
    why = listening.unheard(sshd(tmp_path, "192.0.2.1:22", "[2001:db8::1]:2222"))
    assert why == "none of the addresses that it listens at is here: 192.0.2.1, 2001:db8::1"


@pytest.mark.parametrize("address", ["0.0.0.0:22", "[::]:22", "127.0.0.1:22"])
def test_one_that_is_here_is_enough(tmp_path: Path, address: str) -> None:
    assert listening.unheard(sshd(tmp_path, "192.0.2.1:22", address)) == ""


def test_what_it_does_not_tell_is_not_held_against_it(tmp_path: Path) -> None:
    assert listening.unheard(sshd(tmp_path)) == ""
    assert listening.unheard(sshd(tmp_path, "192.0.2.1:22", status=1)) == ""
    assert listening.unheard(str(tmp_path / "absent")) == ""
