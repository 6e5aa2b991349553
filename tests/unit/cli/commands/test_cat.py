"""cat prints a file as a snapshot has it, byte for byte."""

from __future__ import annotations

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_newest_and_an_older_one(shell: Shell) -> None:
    shell.bar.push()
    first = shell.bar.context().state.read().tip
    (shell.bar.tree / "one").write_text("changed\n")
    shell.bar.push()
    (shell.bar.tree / "one").unlink()
    assert shell.run("cat", shell.bar.tree / "one") == "changed\n"
    assert shell.run("cat", shell.bar.tree / "one", "--at", first) == "one\n"


def test_what_no_snapshot_has(shell: Shell) -> None:
    shell.bar.push()
    assert shell.run("cat", shell.bar.tree / "none", code=2) == ""
