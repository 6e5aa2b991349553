"""facts shows what machine a host was, as lines and as JSON."""

from __future__ import annotations

from pacha.machine import facts
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_what_the_machine_is(shell: Shell) -> None:
    shell.bar.push()
    here = facts.collect()
    assert f"Host name:    {here.hostname}\n" in shell.run("facts")
    assert facts.decode(shell.run("facts", "--json").encode()) == here
