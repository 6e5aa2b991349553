"""Masters whose account has a shell of its own ways."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sshd import Account, Sshd, account
from tests.support.stage import Host, Stage, changed, on_stage, own, picture, said

_TALKS = "echo 'mesg: ttyname failed: Inappropriate ioctl for device' >&2\n"


@pytest.fixture(scope="module")
def bash_user(sshd: Sshd) -> Iterator[Account]:
    """An account whose bash reads ~/.bashrc for each command of sshd (bash(1), "INVOCATION")."""
    with account(own("pacha-bash"), "/bin/bash") as made:
        sshd.authorize(made.name)
        yield made


@pytest.fixture
def stage(sshd: Sshd, bash_user: Account) -> Iterator[Stage]:
    """Its master."""
    with on_stage(sshd, bash_user) as made:
        yield made
    (bash_user.home / ".bashrc").unlink(missing_ok=True)


def begins_with(stage: Stage, lines: str) -> None:
    """From now on each command begins with these ``lines`` of shell."""
    (stage.account.home / ".bashrc").write_text(lines)


def tree_of(stage: Stage) -> Path:
    """What is watched."""
    tree = stage.folder / "opt" / "foo"
    tree.mkdir(parents=True)
    (tree / "one").write_text("one\n")
    return tree


def story(host: Host) -> None:
    """A first push, one after a push that was cut off, one of a new path; a rebuild; and on."""
    tree = tree_of(host.stage)
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
    host, tree = stage.host("bar"), tree_of(stage)
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
