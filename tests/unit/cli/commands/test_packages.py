"""packages lists which packages a host had, as lines and as JSON."""

from __future__ import annotations

import json

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_newest_and_earlier_ones(shell: Shell, manager: FakeManager) -> None:
    first = shell.bar.push()
    manager.upgrade("2")
    shell.bar.push()
    assert shell.run("packages").splitlines()[1].split() == ["nginx", "2"]
    assert shell.run("packages", "--at", first.tip).splitlines()[1].split() == ["nginx", "1"]
    assert json.loads(shell.run("packages", "--json"))["packages"]


def test_a_snapshot_that_says_nothing_of_packages(shell: Shell) -> None:
    shell.bar.push()
    assert shell.run("packages", code=2) == ""
