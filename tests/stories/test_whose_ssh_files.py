"""Whose ~/.ssh counts: that of the account that runs Pacha, and only where nobody else could write to it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.machine import Machine, Person
from tests.support.stage import Done, said

pytestmark = pytest.mark.usefixtures("as_root")

ANN = 70001
RUNS = 'Match exec "touch /tmp/ran"\n    HostName 127.0.0.2\n'


@pytest.fixture
def bar(tmp_path: Path) -> Machine:
    """A machine whose master nobody answers for."""
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh")
    made = Machine(tmp_path / "root", [Person("ann", ANN, "/home/ann")], {"HOME": "/home/ann"})
    (made.root / "pacha.conf").write_text("[DEFAULT]\npacha.host = 127.0.0.1\npacha.ssh.port = 1\n")
    made.write("/home/ann", ANN, ANN, 0o755, folder=True)
    made.write("/root", mode=0o700, folder=True)
    made.write("/srv/one")
    made.pacha("watch", "/srv")
    return made


def push(bar: Machine, code: int) -> Done:
    """Push, which must end with ``code``; the master is away."""
    return bar.pacha("push", code=code)


def test_root_does_not_obey_the_files_of_another_user_s_home(bar: Machine) -> None:
    bar.write("/home/ann/.ssh/config", ANN, ANN, text=RUNS)
    assert "127.0.0.1" in push(bar, 11).err
    assert not bar.at("/tmp/ran").exists()


def test_root_obeys_its_own(bar: Machine) -> None:
    bar.write("/root/.ssh/config", text=RUNS)
    assert "127.0.0.2" in push(bar, 11).err
    assert bar.at("/tmp/ran").exists()


@pytest.mark.parametrize(("owner", "group", "mode"), [(0, 0, 0o666), (0, ANN, 0o664), (ANN, ANN, 0o644)])
def test_a_config_that_another_user_may_write_to(bar: Machine, owner: int, group: int, mode: int) -> None:
    bar.write("/root/.ssh/config", owner, group, mode, RUNS)
    said(push(bar, 10), "/root/.ssh/config: not to be trusted", "chmod go-w")
    assert not bar.at("/tmp/ran").exists()


def test_so_is_what_it_includes(bar: Machine) -> None:
    bar.write("/root/.ssh/config", text="Include more\n")
    bar.write("/root/.ssh/more", mode=0o666, text=RUNS)
    said(push(bar, 10), "/root/.ssh/more")
    assert not bar.at("/tmp/ran").exists()


def test_the_system_s_own_config_counts(bar: Machine) -> None:
    bar.write("/etc/ssh/ssh_config", text="Include /etc/ssh/ssh_config.d/*.conf\nHost *\n  SendEnv LANG\n")
    assert "127.0.0.1" in push(bar, 11).err
    bar.write("/etc/ssh/ssh_config.d/ours.conf", text="Host *\n  HostName 127.0.0.3\n")
    assert "127.0.0.3" in push(bar, 11).err
