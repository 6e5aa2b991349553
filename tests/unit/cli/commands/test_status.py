"""status ends with 3 where something is to be looked at."""

from __future__ import annotations

import json

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_before_the_first_push_and_after_it(shell: Shell) -> None:
    assert not json.loads(shell.run("status", "--json", code=3))["fine"]
    shell.bar.push()
    assert json.loads(shell.run("status", "--json"))["fine"]
    assert "bar" in shell.run("status")
