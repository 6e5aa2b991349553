"""retire shows what it will do, asks, says how it is undone, and lists who is away."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.away import Master, master_of_this_user  # noqa: F401  (a fixture)
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


@pytest.fixture
def keys(shell: Shell, master: Master) -> Path:
    line = master.line("bar").replace(master.path, bytes(shell.bar.top / "hosts"))
    master.keys.write_bytes(line + b"\n")
    shell.bar.push()
    return master.keys


def test_shown_asked_done_and_undone(shell: Shell, keys: Path) -> None:
    before = keys.read_bytes()
    assert "bar_user's authorized_keys: 1." in shell.run("retire", "bar", "--dry-run")
    shell.run("retire", "bar", code=1)
    assert shell.bar.master.exists() and keys.read_bytes() == before
    assert "pacha retire --undo bar" in shell.run("retire", "bar", "--yes", "-m", "sold")
    assert not shell.bar.master.exists() and keys.read_bytes() == b""
    assert "sold" in shell.run("retire", "--list")
    shell.run("retire", "bar", "--yes")
    assert "is back" in shell.run("retire", "--undo", "bar")
    assert shell.bar.master.exists() and keys.read_bytes() == before
    assert shell.run("retire", "--list") == ""


def test_a_key_that_does_not_say_whose_it_is(shell: Shell, keys: Path) -> None:
    keys.write_bytes(b"ssh-rsa AAAA root@bar\n")
    assert "by hand" in shell.both("retire", "bar", "--yes", code=3)[1]
    assert keys.read_bytes() == b"ssh-rsa AAAA root@bar\n"


def test_what_makes_no_sense(shell: Shell, keys: Path) -> None:
    shell.run("retire", code=2)
    shell.run("retire", "none", "--yes", code=1)
    shell.run("retire", "--undo", "bar", code=1)
