"""The lines of one host: which are its own, and that no other byte changes."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import host_keys, moving
from pacha.server.authorized_keys import KeyGrant, PublicKey
from tests.support.away import OTHERS, Master, master_of_this_user  # noqa: F401  (a fixture)


@pytest.fixture
def user(master: Master) -> pwd.struct_passwd:
    found = moving.account_of(0)
    assert found
    return found


def test_only_what_pacha_made_for_this_host_in_this_folder_is_its_own(master: Master, user: pwd.struct_passwd) -> None:
    own = master.line("bar", options=" --rebuild-only").replace(b'" ssh', b'",expiry-time="20300101000000" ssh')
    others = [
        master.line("foo", "AAAAfoo"),
        master.line("bar", "AAAAelsewhere").replace(master.path, b"/elsewhere"),
        b"# " + master.line("bar", "AAAAcomment"),
        b'restrict,command="echo serve bar --hosts-path" ssh-rsa AAAAecho x',
        b'restrict,command="pacha serve bar \'" ssh-rsa AAAAquote x',
        b'command="pacha serve bar" ssh-rsa AAAAhand \xff',
    ]
    rest = OTHERS + b"\n".join(others)
    master.keys.write_bytes(own + b"\r\n" + rest)
    assert host_keys.of_account(user, "bar", master.path)[0] == [own]
    host_keys.rename(user, "bar", "baz", master.path)
    assert master.keys.read_bytes() == own.replace(b"serve bar", b"serve baz") + b"\r\n" + rest
    host_keys.take_out(user, "baz", master.path)
    assert master.keys.read_bytes() == rest
    host_keys.put_back(user, [own])
    host_keys.put_back(user, [own])
    assert master.keys.read_bytes() == rest + b"\n" + own + b"\n"


def test_a_path_with_quotes_and_blanks(master: Master, user: pwd.struct_passwd) -> None:
    path = b'/srv/it\'s "here" $(id)'
    line = KeyGrant("bar", path).line(PublicKey("ssh-ed25519", "AAAAkey", "")).encode()
    master.keys.write_bytes(line + b"\n")
    assert host_keys.of_account(user, "bar", path) == ([line], 0)
    host_keys.rename(user, "bar", "baz", path)
    wanted = KeyGrant("baz", path).line(PublicKey("ssh-ed25519", "AAAAkey", "bar")).encode()
    assert master.keys.read_bytes() == wanted + b"\n"


def test_the_host_of_a_line(master: Master) -> None:
    """Also where the program or the folder has a blank in its path."""
    odd = b"restrict,command=\"'/opt/my tools/pacha' serve bar --hosts-path '/my hosts'\" ssh-ed25519 AAAAkey x"
    assert [host_keys.host_of(line) for line in (master.line("foo"), odd)] == ["foo", "bar"]
    for other in (*OTHERS.splitlines(), b'restrict,command="pacha serve bar" ssh-ed25519 AAAAkey x', b""):
        assert host_keys.host_of(other) is None


def test_a_key_that_is_let_in_otherwise(master: Master, user: pwd.struct_passwd) -> None:
    master.keys.write_bytes(b"ssh-ed25519 AAAAkey by hand\n")
    with pytest.raises(PachaError) as caught:
        host_keys.check_free(user, [master.line("bar")])
    assert caught.value.code == "key-in-use-again"


def test_an_account_without_the_file_or_its_folder(master: Master, user: pwd.struct_passwd, tmp_path: Path) -> None:
    master.keys.unlink()
    assert host_keys.of_account(user, "bar", master.path) == ([], 0)
    master.keys.parent.rmdir()
    host_keys.take_out(user, "bar", master.path)
    assert host_keys.of_account(user, "bar", master.path) == ([], 0) and not master.keys.parent.exists()
