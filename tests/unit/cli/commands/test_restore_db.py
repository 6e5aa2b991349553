"""restore-db brings the history back and touches no watched file."""

from __future__ import annotations

import shutil

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_watch_list_is_back_and_no_file_is_touched(shell: Shell) -> None:
    shell.bar.push()
    tip = shell.bar.context().state.read().tip
    shutil.rmtree(shell.bar.top / "state")
    (shell.bar.tree / "one").write_text("changed\n")
    shown = shell.run("restore-db", "bar")
    assert f"Watching {shell.bar.tree}" in shown and tip[:12] in shown
    assert (shell.bar.tree / "one").read_text() == "changed\n"
    assert "+changed" in shell.run("diff")


def test_a_host_that_this_machine_is_not(shell: Shell) -> None:
    shell.bar.push()
    shell.run("restore-db", "none", code=10)
