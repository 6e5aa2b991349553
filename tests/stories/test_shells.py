"""Masters whose account has a shell of its own ways."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


_OLD = """#!/bin/sh
[ "$1" != {option} ] || {{ echo "{name}: invalid option -- '{option}'" >&2; exit 1; }}
exec /usr/bin/busybox {name} "$@"
"""


@contextmanager
def with_busybox(sshd: Sshd, name: str, shell: str) -> Iterator[Account]:
    """An account that has busybox(1), Mercurial and scp; its commands lie beside its ``shell``, to be changed."""
    folder = Path(tempfile.mkdtemp(prefix="pacha-busybox-", dir="/tmp"))
    folder.chmod(0o755)
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
        (folder / applet).symlink_to("/usr/bin/busybox")
    for program in ("hg", "scp"):
        (folder / program).symlink_to(f"/usr/bin/{program}")
    script = folder / "its.shell"
    script.write_text(f'#!/bin/sh\nPATH={folder} exec {shell} "$@"\n')
    script.chmod(0o755)
    with admitted(sshd, own(name), str(script)) as made:
        yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def busybox_user(sshd: Sshd) -> Iterator[Account]:
    """An account as on Alpine or a small NAS; scp can be taken away."""
    with with_busybox(sshd, "pacha-busybox", "/usr/bin/busybox sh") as made:
        yield made


@pytest.fixture
def old_user(sshd: Sshd) -> Iterator[Account]:
    """One whose commands can be exchanged: busybox's own shell may take its own in any case."""
    with with_busybox(sshd, "pacha-old", "/bin/sh") as made:
        (commands_of(made) / "sh").unlink()
        (commands_of(made) / "sh").symlink_to("/bin/sh")
        yield made


def commands_of(account: Account) -> Path:
    """The folder of its commands."""
    return Path(pwd.getpwnam(account.name).pw_shell).parent


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
        (commands_of(busybox_user) / "scp").unlink()
        host.forget()
        said(host.rebuild(code=11), "The master has no scp.", "Install openssh-client there.")


@pytest.mark.parametrize("shell", ["/bin/rbash", "/usr/bin/fish"])
def test_one_of_few_words(sshd: Sshd, shell: str) -> None:
    """rbash redirects nothing, fish has its own grammar: sh runs below them."""
    if not Path(shell).exists():
        pytest.skip(f"{shell} is not installed")
    with admitted(sshd, own("pacha-other"), shell) as made, on_stage(sshd, made) as stage:
        story(stage.host("bar"))


@pytest.mark.skipif(not Path("/usr/bin/mksh").exists(), reason="needs mksh")
def test_a_sh_that_is_mksh(sshd: Sshd, old_user: Account) -> None:
    """printf(1) is a program for it."""
    (commands_of(old_user) / "sh").unlink()
    (commands_of(old_user) / "sh").symlink_to("/usr/bin/mksh")
    with on_stage(sshd, old_user) as stage:
        story(stage.host("bar"))


@pytest.mark.parametrize("refusal", ["echo 'not allowed' >&2; exit 126", "echo 'not allowed'; exit 1", "exit 0"])
def test_a_filter_that_lets_no_sh_through(tmp_path: Path, bash_user: Account, refusal: str) -> None:
    """As rrsync(1) is one: each command has a channel of its own."""
    script = bash_user.home / "filter"
    script.write_text(f'[ "$SSH_ORIGINAL_COMMAND" != sh ] || {{ {refusal}; }}\neval "$SSH_ORIGINAL_COMMAND"\n')
    with Sshd(tmp_path / "sshd", extra=[f"ForceCommand /bin/sh {script}"]) as server, on_stage(server, bash_user) as at:
        server.authorize(bash_user.name)
        host = at.host("bar")
        host.watch(make_tree(at.folder / "opt" / "foo"))
        host.push()
        assert host.on_master().keys() == {"db", "foo"}


@pytest.mark.parametrize("lacking", [(), ("tar",)])
def test_an_old_busybox(sshd: Sshd, old_user: Account, lacking: tuple[str, ...]) -> None:
    """Its mv(1) and sync(1) know no options. Without tar(1), ``hg init`` makes each repository."""
    folder = commands_of(old_user)
    for name, option in (("mv", "-T"), ("sync", "-f")):
        (folder / name).unlink()
        (folder / name).write_text(_OLD.format(name=name, option=option))
        (folder / name).chmod(0o755)
    for name in lacking:
        (folder / name).unlink()
    with on_stage(sshd, old_user) as stage:
        story(stage.host("bar"))
        assert not list(stage.hosts.glob("bar/*/.new-*"))


def test_what_is_missing_there_is_told(sshd: Sshd, old_user: Account) -> None:
    """By doctor, each program by its name."""
    for name in ("mv", "sha256sum"):
        (commands_of(old_user) / name).unlink()
    with on_stage(sshd, old_user) as stage:
        told = stage.host("bar").pacha("doctor").must(3).out
    assert "there is no mv" in told and "there is no sha256sum" in told
    assert "there is no cat" not in told


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
            told = host.pacha(*words).must(11).err
            assert "This service allows sftp connections only." in told and "run commands" in told


def test_a_pacha_behind_the_key_that_python_cannot_start(tmp_path: Path, bash_user: Account) -> None:
    """As after an upgrade of the master's Python: the last word of the traceback is shown."""
    broken = ["ForceCommand /usr/bin/python3 -c 'import gone_with_the_upgrade'"]
    with Sshd(tmp_path / "sshd", extra=broken) as server, on_stage(server, bash_user) as stage:
        server.authorize(bash_user.name)
        host = stage.host("bar")
        host.watch(make_tree(stage.folder / "opt" / "foo"))
        for words in (["push"], ["rebuild", "bar", "--yes"]):
            told = host.pacha(*words).must(11).err
            assert "No module named 'gone_with_the_upgrade'" in told and "pacha add-host" in told
