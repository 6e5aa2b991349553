"""authorized_keys as the account itself writes it: its rights, its links, what is there already."""

from __future__ import annotations

import base64
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.server import authorized_keys
from pacha.server.add_host import add_host
from pacha.server.authorized_keys import KeyGrant, PublicKey
from pacha.system import child
from tests.support.sshd import Account, account
from tests.support.stage import own

ED25519 = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()
LINE = f"ssh-ed25519 {ED25519} root@bar"
KEY = PublicKey("ssh-ed25519", ED25519, "root@bar")


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/pacha/bin/pacha"])


@pytest.fixture(scope="module")
def made() -> Iterator[Account]:
    with account(own("pacha_t_enrol")) as made:
        yield made


@pytest.fixture
def user(made: Account) -> Account:
    """An account that has no ~/.ssh."""
    for path in (made.home / ".ssh", made.home / "target"):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    return made


def install(user: Account, grant: KeyGrant = KeyGrant("bar", b"/pacha/hosts"), key: PublicKey = KEY) -> str:  # noqa: B008
    return authorized_keys.install(pwd.getpwnam(user.name), grant, key)


def test_the_line_is_the_accounts_own(user: Account) -> None:
    assert install(user) == "added"
    folder = user.home / ".ssh"
    for path, mode in ((folder, 0o40700), (folder / "authorized_keys", 0o100600)):
        found = path.stat()
        assert (found.st_mode, found.st_uid, found.st_gid) == (mode, user.uid, user.gid)
    assert (folder / "authorized_keys").read_text() == KeyGrant("bar", b"/pacha/hosts").line(KEY) + "\n"
    assert os.listdir(folder) == ["authorized_keys"]


def test_what_is_there_stays_and_a_line_of_ours_is_replaced(user: Account) -> None:
    folder = user.home / ".ssh"
    folder.mkdir(mode=0o770)
    folder.chmod(0o770)
    os.chown(folder, user.uid, user.gid)
    present = "# mine\nssh-rsa AAAAB3Nz someone"
    (folder / "authorized_keys").write_text(present)
    os.chown(folder / "authorized_keys", user.uid, user.gid)
    assert [install(user), install(user)] == ["added", "there"]
    narrow = KeyGrant("bar", b"/pacha/hosts", rebuild_only=True)
    assert install(user, narrow) == "replaced"
    assert (folder / "authorized_keys").read_text() == f"{present}\n{narrow.line(KEY)}\n"
    assert folder.stat().st_mode & 0o022 == 0
    with pytest.raises(PachaError, match="let in for 'bar' already") as refused:
        install(user, KeyGrant("foo", b"/pacha/hosts"))
    assert "--replace" in refused.value.hint


def test_a_host_that_gets_another_name_takes_its_key_along_or_nothing_is_made(user: Account, tmp_path: Path) -> None:
    line = f"{KEY.kind} {KEY.blob}".encode()
    add_host(os.fsencode(tmp_path / "hosts"), "bar", None, line, user.name)
    with pytest.raises(PachaError, match="let in for 'bar' already"):
        add_host(os.fsencode(tmp_path / "hosts"), "baz", None, line, user.name)
    assert os.listdir(tmp_path / "hosts") == ["bar"], "no folder that nobody can reach"
    added = add_host(os.fsencode(tmp_path / "hosts"), "baz", None, line, user.name, replace=True)
    assert added.installed == "replaced" and sorted(os.listdir(tmp_path / "hosts")) == ["bar", "baz"]
    [present] = (user.home / ".ssh/authorized_keys").read_text().splitlines()
    assert " serve baz " in present and " serve bar " not in present


def test_a_folder_is_not_left_behind_by_an_account_that_is_closed(user: Account, tmp_path: Path) -> None:
    (user.home / ".ssh").symlink_to("/nowhere")
    with pytest.raises(PachaError):
        add_host(os.fsencode(tmp_path / "hosts"), "bar", None, f"{KEY.kind} {KEY.blob}".encode(), user.name)
    assert os.listdir(tmp_path / "hosts") == []


def test_a_key_that_is_let_in_for_a_shell_is_refused(user: Account) -> None:
    folder = user.home / ".ssh"
    folder.mkdir(mode=0o700)
    os.chown(folder, user.uid, user.gid)
    (folder / "authorized_keys").write_text(LINE + "\n")
    os.chown(folder / "authorized_keys", user.uid, user.gid)
    with pytest.raises(PachaError, match="authorised already"):
        install(user)
    assert (folder / "authorized_keys").read_text() == LINE + "\n"


@pytest.mark.parametrize("name", [".ssh", ".ssh/authorized_keys"])
def test_a_link_is_not_followed(user: Account, name: str) -> None:
    """The account's owner may have put it there, to have root write elsewhere."""
    target = user.home / "target"
    if name == ".ssh":
        target.mkdir()
        os.chown(target, user.uid, user.gid)
    else:
        target.write_text("kept\n")
        os.chown(target, user.uid, user.gid)
        (user.home / ".ssh").mkdir(mode=0o700)
        os.chown(user.home / ".ssh", user.uid, user.gid)
    (user.home / name).symlink_to(target)
    with pytest.raises(PachaError):
        install(user)
    assert target.read_text() == "kept\n" if target.is_file() else os.listdir(target) == []


def test_another_users_folder_and_a_fifo(user: Account) -> None:
    (user.home / ".ssh").mkdir(mode=0o755)
    with pytest.raises(PachaError, match="another user"):
        install(user)
    os.chown(user.home / ".ssh", user.uid, user.gid)
    os.mkfifo(user.home / ".ssh" / "authorized_keys")
    os.chown(user.home / ".ssh" / "authorized_keys", user.uid, user.gid)
    with pytest.raises(PachaError, match="not a file"):
        install(user)


def test_work_as_a_user_has_his_rights_and_no_others(user: Account) -> None:
    entry = pwd.getpwnam(user.name)
    assert child.run_as(entry, lambda: [os.getresuid(), os.getresgid(), os.getgroups()]) == [
        [user.uid] * 3, [user.gid] * 3, [user.gid],
    ]  # fmt: skip
    with pytest.raises(PachaError, match="system"):
        child.run_as(entry, lambda: Path("/etc/shadow").read_text())
    with pytest.raises(PachaError, match="was not done"):
        child.run_as(entry, lambda: os.kill(os.getpid(), 9))
    with pytest.raises(PachaError, match="This failed"):
        child.run_as(entry, lambda: 1 // 0)


def test_a_pacha_that_the_account_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch, user: Account) -> None:
    place = user.home / "programs"
    monkeypatch.setattr(authorized_keys, "_PATH_OF_SSHD", str(user.home / "bin"))
    monkeypatch.setattr(sys, "argv", [str(place / "pacha")])
    place.mkdir(0o755)
    (place / "pacha").write_text("#!/bin/sh\nexit 0\n")
    (place / "pacha").chmod(0o755)
    entry = pwd.getpwnam(user.name)
    assert authorized_keys.can_run(entry)
    place.chmod(0o700)  # as /root is, where pipx puts it
    assert not authorized_keys.can_run(entry)
    wrapper = user.home / "bin" / "pacha"
    wrapper.parent.mkdir()
    wrapper.write_text(f"#!/bin/sh\nexec {place}/pacha\n")
    wrapper.chmod(0o755)
    assert not authorized_keys.can_run(entry)  # it can start the wrapper, which cannot go on


def test_a_program_of_the_account_has_no_terminal_and_its_output_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, user: Account
) -> None:
    """Python loads what the account has for it, as usercustomize, when it runs as that account."""
    wrapper = user.home / "many" / "pacha"
    monkeypatch.setattr(authorized_keys, "_PATH_OF_SSHD", f"{wrapper.parent}:{os.defpath}")
    wrapper.parent.mkdir(0o755)
    told = user.home / "told"
    wrapper.write_text(
        f"#!/bin/sh\nreadlink /proc/self/fd/[012] > {told}\ncut -d' ' -f6 /proc/self/stat >> {told}\n"
        f"echo $$ >> {told}\n"
    )
    wrapper.chmod(0o755)
    assert authorized_keys.can_run(pwd.getpwnam(user.name))
    *streams, session, own_number = told.read_text().split()
    assert (streams, session) == (["/dev/null", str(told), "/dev/null"], own_number)
