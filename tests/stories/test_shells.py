"""Masters whose account has a shell of its own ways."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rebuilding import make_tree
from tests.support.sshd import Account, Sshd, admitted
from tests.support.stage import Host, Stage, changed, on_stage, own, picture, said

_TALKS = "echo 'mesg: ttyname failed: Inappropriate ioctl for device' >&2\n"


@pytest.fixture(scope="module")
def bash_user(sshd: Sshd) -> Iterator[Account]:
    """An account whose bash reads ~/.bashrc for each command of sshd (bash(1), "INVOCATION")."""
    with admitted(sshd, own("pacha-bash"), "/bin/bash") as made:
        yield made


@pytest.fixture
def stage(sshd: Sshd, bash_user: Account) -> Iterator[Stage]:
    """Its master."""
    with on_stage(sshd, bash_user) as made:
        yield made
    (bash_user.home / ".bashrc").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def busybox_user(sshd: Sshd) -> Iterator[Account]:
    """An account that has busybox(1) and Mercurial, as on Alpine or a small NAS; scp can be taken away."""
    folder = Path(tempfile.mkdtemp(prefix="pacha-busybox-", dir="/tmp"))
    folder.chmod(0o755)
    for name in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        (folder / name).symlink_to("/usr/bin/busybox")
    for name in ("hg", "scp"):
        (folder / name).symlink_to(f"/usr/bin/{name}")
    shell = folder / "its.shell"
    shell.write_text(f'#!/bin/sh\nPATH={folder} exec /usr/bin/busybox sh "$@"\n')
    shell.chmod(0o755)
    with admitted(sshd, own("pacha-busybox"), str(shell)) as made:
        yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def csh_user(sshd: Sshd) -> Iterator[Account]:
    """An account whose shell is none of sh(1)'s kind."""
    with admitted(sshd, own("pacha-csh"), "/bin/tcsh") as made:
        yield made


def begins_with(stage: Stage, lines: str) -> None:
    """From now on each command begins with these ``lines`` of shell."""
    (stage.account.home / ".bashrc").write_text(lines)


def story(host: Host) -> None:
    """A first push, one after a push that was cut off, one of a new path; a rebuild; and on."""
    tree = make_tree(host.stage.folder / "opt" / "foo")
    host.watch(tree)
    host.push()
    (tree / "one").write_text("changed\n")
    journal = host.repository("foo") / ".hg" / "store" / "journal"
    journal.touch()
    shutil.chown(journal, host.stage.account.name)
    host.push()
    assert not journal.exists(), "a push that was cut off there is not rolled back"
    other = host.stage.folder / "opt" / "other"
    other.mkdir()
    (other / "two").write_text("two\n")
    host.watch(other)
    host.push()
    before = picture(tree)
    (tree / "one").unlink()
    host.forget()
    host.rebuild()
    assert changed(before, picture(tree)) == []
    host.push()
    assert "ok    hosts folder" in host.pacha("doctor").out
    host.verify_master()


def test_a_shell_that_says_a_word(stage: Stage) -> None:
    begins_with(stage, _TALKS)
    story(stage.host("bar"))


def test_one_that_says_a_word_where_the_answer_is_expected(stage: Stage) -> None:
    """It is named, with the file that says it."""
    host, tree = stage.host("bar"), make_tree(stage.folder / "opt" / "foo")
    host.watch(tree)
    host.push()
    begins_with(stage, "echo Welcome to the master\n")
    (tree / "one").write_text("changed\n")
    for words in (["push"], ["rebuild", "bar", "--yes"]):
        said(host.pacha(*words).must(11), "says something before each answer", "Welcome to the master", "~/.bashrc")
    assert "~/.bashrc" in host.pacha("doctor").must(11).out
    begins_with(stage, "")
    host.push()


def test_a_german_one(stage: Stage) -> None:
    """No answer depends on its language."""
    german = "export LC_ALL=C.UTF-8 LANGUAGE=de\n"
    spoken = subprocess.run(["bash", "-c", f"{german}cat /x; hg -R /x id"], capture_output=True, text=True).stderr
    assert "Abbruch: " in spoken
    if Path("/usr/share/locale/de/LC_MESSAGES/coreutils.mo").exists():  # some images have no translations
        assert "Datei oder Verzeichnis nicht gefunden" in spoken
    begins_with(stage, german)
    story(stage.host("bar"))


def test_one_that_has_busybox_alone(sshd: Sshd, busybox_user: Account) -> None:
    """Its date(1) knows no nanoseconds. Without scp nothing is fetched, and that is said."""
    with on_stage(sshd, busybox_user) as stage:
        host = stage.host("bar")
        story(host)
        Path(pwd.getpwnam(busybox_user.name).pw_shell).with_name("scp").unlink()
        host.forget()
        said(host.rebuild(code=11), "The master has no scp.", "Install openssh-client there.")


def test_csh(sshd: Sshd, csh_user: Account) -> None:
    """It looks for an event where a path has an exclamation mark, within quotes, too."""
    with on_stage(sshd, csh_user) as stage:
        host = stage.host("bar")
        odd = stage.folder / "ho!sts it's"
        odd.mkdir()
        host.configure(hosts_path=str(odd))
        host.pacha("add-host", "bar", "--user", csh_user.name).must()
        tree = make_tree(stage.folder / "opt" / "foo")
        host.watch(tree)
        host.push()
        host.forget()
        host.rebuild("--target", stage.folder / "out")
        assert changed(picture(tree), picture(Path(f"{stage.folder}/out{tree}"))) == []


def test_an_account_that_runs_no_commands(tmp_path: Path, bash_user: Account) -> None:
    """What it says instead is shown."""
    alone = ["Subsystem sftp internal-sftp", "ForceCommand internal-sftp"]
    with Sshd(tmp_path / "sshd", extra=alone) as server, on_stage(server, bash_user) as stage:
        server.authorize(bash_user.name)
        host = stage.host("bar")
        host.watch(make_tree(stage.folder / "opt" / "foo"))
        for words in (["push"], ["rebuild", "bar", "--yes"]):
            # OpenSSH hangs up at times on a command that ends at once (Stream.close_write): then that is told.
            told = [host.pacha(*words).must(11).err for _ in range(3)]
            assert any("This service allows sftp connections only." in err and "run commands" in err for err in told)


def test_a_pacha_behind_the_key_that_python_cannot_start(tmp_path: Path, bash_user: Account) -> None:
    """As after an upgrade of the master's Python: the last word of the traceback is shown."""
    broken = ["ForceCommand /usr/bin/python3 -c 'import gone_with_the_upgrade'"]
    with Sshd(tmp_path / "sshd", extra=broken) as server, on_stage(server, bash_user) as stage:
        server.authorize(bash_user.name)
        host = stage.host("bar")
        host.watch(make_tree(stage.folder / "opt" / "foo"))
        for words in (["push"], ["rebuild", "bar", "--yes"]):
            told = [host.pacha(*words).must(11).err for _ in range(3)]  # see above
            assert any("No module named 'gone_with_the_upgrade'" in err and "pacha add-host" in err for err in told)
