"""Many hosts at once: every fault of the list is named and nothing is done; a second run goes on."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import sys
import time
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import add_host, authorized_keys
from pacha.server.add_host import Allowed
from pacha.server.add_hosts import MOST_BYTES, AddedHosts, HostListError, add_hosts, read
from pacha.server.authorized_keys import KeyGrant, PublicKey


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
    assert told.startswith("line 2: ") and "h1" in told and not (tmp_path / "hosts/new").exists()
    assert added(tmp_path, other, replace=True).installed == {"added": 1, "replaced": 1}
    assert keys.read_text().count("serve other") == 1 and "serve h1 " not in keys.read_text()


def test_one_that_is_let_in_for_something_else(tmp_path: Path, keys: Path) -> None:
    keys.parent.mkdir(mode=0o700)
    keys.write_text(f"{key(1)}\n")
    keys.chmod(0o600)
    (told,) = faults(tmp_path, listed(range(3)))
    assert told.startswith("line 2: ") and keys.read_text() == f"{key(1)}\n"


def test_without_an_account_the_lines_are_given(tmp_path: Path, keys: Path) -> None:
    result = add_hosts(os.fsencode(tmp_path / "hosts"), listed(range(2)), None, None, Allowed(push_only=True))
    assert [" serve h0 " in result.lines[0], "--push-only" in result.lines[1]] == [True, True] and not keys.exists()


def test_reading() -> None:
    assert read(b"")[1] == ["there is no host in it"] and read(b"# x\n \n")[1]
    hosts, found = read(f"a\r\n\tb \t{key(1)}\r\n".encode())
    assert [one.host for one in hosts] == ["a", "b"] and hosts[1].key is not None and found == []


def test_what_other_systems_write() -> None:
    """The mark of UTF-8 and CRLF of an editor, tabs of a table; nothing that is too long to be read whole."""
    hosts, found = read(b"\xef\xbb\xbf" + f"a\t{key(1)}\r\nb\t{key(2)}".replace(" ", "\t").encode())
    assert [(one.host, one.key and one.key.comment) for one in hosts] == [("a", "root@h1"), ("b", "root@h2")]
    assert found == [] and read(b"a\n" * (MOST_BYTES // 2 + 1)) == ([], [f"it is longer than {MOST_BYTES} bytes"])


@pytest.mark.slow
def test_thousands_are_replaced_in_seconds(keys: Path) -> None:
    """Each key was looked for in each line: a minute for these."""
    user, every = add_host.account_of("pacha"), [PublicKey.read(key(number).encode()) for number in range(4000)]
    for push_only, outcome in ((False, "added"), (True, "replaced")):
        began = time.process_time()
        grants = [(KeyGrant(f"h{n}", b"/pacha/hosts", push_only=push_only), one) for n, one in enumerate(every)]
        assert authorized_keys.faults_of_all(user, grants) == {}
        assert set(authorized_keys.install_all(user, grants)) == {outcome}
        assert time.process_time() - began < 4
    assert keys.read_text().count("--push-only") == 4000


def test_two_lists_at_once_let_in_the_hosts_of_both(tmp_path: Path, keys: Path) -> None:
    """Each read the file, and the later one wrote it without the lines of the other."""
    lists = [listed(range(n, n + 40)) for n in range(0, 320, 40)]
    children = [child_that_adds(tmp_path, text) for text in lists]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(lists)
    assert keys.read_text().count("restrict,") == 320


@pytest.mark.slow
def test_one_list_twice_at_once(tmp_path: Path, keys: Path) -> None:
    """Whoever came second to a folder failed, and removed it again, which the first one said was ready."""
    text = listed(range(60))
    for _ in range(5):
        shutil.rmtree(tmp_path / "hosts", ignore_errors=True)
        children = [child_that_adds(tmp_path, text, "") for _ in range(4)]
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
        assert len(os.listdir(tmp_path / "hosts")) == 60


def child_that_adds(tmp_path: Path, text: bytes, outcome: str = "added") -> int:
    child = os.fork()
    if child == 0:
        try:
            os._exit(outcome not in {*added(tmp_path, text).installed, ""})
        finally:
            os._exit(1)
    return child


def test_a_key_that_is_let_in_meanwhile_is_not_passed_over(
    tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the writing; nothing was written then, and it was said to be done."""
    monkeypatch.setattr(authorized_keys, "faults_of_all", lambda *given, **options: {})
    keys.parent.mkdir(mode=0o700)
    keys.write_text(f"{key(1)}\n")
    with pytest.raises(PachaError) as refused:
        added(tmp_path, listed(range(3)))
    assert refused.value.code == "key-authorized-already" and keys.read_text() == f"{key(1)}\n"
