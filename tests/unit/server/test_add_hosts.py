"""Many hosts at once: every fault of the list is named and nothing is done; a second run goes on."""

from __future__ import annotations

import base64
import os
import pwd
import sys
import time
from pathlib import Path

import pytest

from pacha.server import add_host, authorized_keys
from pacha.server.add_host import Allowed
from pacha.server.add_hosts import AddedHosts, HostListError, add_hosts, read


def key(number: int) -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0 " + number.to_bytes(32, "big")
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} root@h{number}"


def listed(numbers: range) -> bytes:
    return "".join(f"h{number} {key(number)}\n" for number in numbers).encode()


@pytest.fixture(name="keys")
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The authorized_keys of an account that is this process's own."""
    (tmp_path / "home").mkdir(mode=0o700)
    me = pwd.struct_passwd(("pacha", "x", os.geteuid(), os.getegid(), "", str(tmp_path / "home"), "/bin/sh"))
    monkeypatch.setattr(add_host, "account_of", lambda name: me)
    monkeypatch.setattr(authorized_keys, "can_run", lambda user: True)
    monkeypatch.setattr(sys, "argv", ["/opt/pacha/bin/pacha"])
    return tmp_path / "home/.ssh/authorized_keys"


def added(tmp_path: Path, text: bytes, *, replace: bool = False) -> AddedHosts:
    return add_hosts(os.fsencode(tmp_path / "hosts"), text, None, "pacha", Allowed(), replace=replace)


def faults(tmp_path: Path, text: bytes) -> tuple[str, ...]:
    with pytest.raises(HostListError) as caught:
        added(tmp_path, text)
    assert caught.value.code == "host-list-faults"
    return caught.value.faults


def test_many(tmp_path: Path, keys: Path) -> None:
    began = time.monotonic()
    assert added(tmp_path, listed(range(300))).installed == {"added": 300}
    assert keys.read_text().count(" serve h") == 300 and keys.stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "hosts").iterdir())) == 300
    before = keys.read_bytes()
    again = added(tmp_path, listed(range(302)) + b"# a remark\n\nwith-certificate\n")
    assert again.installed == {"there": 300, "added": 2} and keys.read_bytes().startswith(before)
    assert (tmp_path / "hosts/with-certificate").is_dir() and len(again.hosts) == 303
    assert time.monotonic() - began < 30


def test_every_fault_is_named_and_nothing_is_done(tmp_path: Path, keys: Path) -> None:
    (tmp_path / "hosts/.retired/away").mkdir(parents=True)
    (tmp_path / "hosts/file").write_text("")
    text = listed(range(2)) + (
        f"../x {key(7)}\nh8 no-key\nh0 {key(9)}\nh10 {key(1)}\nfile\nh11 -----BEGIN PRIVATE KEY-----\n"
    ).encode() + b"\xff\x1b[31m\n"  # fmt: skip
    told = faults(tmp_path, text)
    numbers = [int(fault.split()[1].rstrip(":")) for fault in told]
    assert sorted(numbers) == [3, 4, 5, 6, 7, 8, 9] and all(fault.isprintable() for fault in told)
    assert not keys.exists() and not (tmp_path / "hosts/h0").exists()


def test_a_key_of_another_host(tmp_path: Path, keys: Path) -> None:
    added(tmp_path, listed(range(3)))
    other = f"new {key(5)}\nother {key(1)}\n".encode()
    (told,) = faults(tmp_path, other)
    assert told.startswith("other: ") and "h1" in told and not (tmp_path / "hosts/new").exists()
    assert added(tmp_path, other, replace=True).installed == {"added": 1, "replaced": 1}
    assert keys.read_text().count("serve other") == 1 and "serve h1 " not in keys.read_text()


def test_one_that_is_let_in_for_something_else(tmp_path: Path, keys: Path) -> None:
    keys.parent.mkdir(mode=0o700)
    keys.write_text(f"{key(1)}\n")
    keys.chmod(0o600)
    (told,) = faults(tmp_path, listed(range(3)))
    assert told.startswith("h1: ") and keys.read_text() == f"{key(1)}\n"


def test_without_an_account_the_lines_are_given(tmp_path: Path, keys: Path) -> None:
    result = add_hosts(os.fsencode(tmp_path / "hosts"), listed(range(2)), None, None, Allowed(push_only=True))
    assert [" serve h0 " in result.lines[0], "--push-only" in result.lines[1]] == [True, True] and not keys.exists()


def test_reading() -> None:
    assert read(b"")[1] == ["there is no host in it"] and read(b"# x\n \n")[1]
    hosts, found = read(f"a\r\n\tb \t{key(1)}\r\n".encode())
    assert [one.host for one in hosts] == ["a", "b"] and hosts[1].key is not None and found == []
