"""verify names what differs from a snapshot."""

from __future__ import annotations

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_what_differs_is_named(shell: Shell) -> None:
    shell.bar.push()
    first = shell.bar.context().state.read().tip
    assert "All 2 paths are as in the last snapshot." in shell.run("verify")
    (shell.bar.tree / "one").write_text("changed\n")
    shown = shell.run("verify", code=3)
    assert f"{shell.bar.tree}/one: " in shown and "paths differ from the last snapshot" in shown
    shell.bar.push()
    shell.run("verify")
    assert f"{shell.bar.tree}/one: " in shell.run("verify", "--at", first, code=3)
