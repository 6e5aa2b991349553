"""diff compares two snapshots, or one with the disk."""

from __future__ import annotations

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_disk_and_a_snapshot(shell: Shell) -> None:
    shell.bar.push()
    (shell.bar.tree / "one").write_text("changed\n")
    (shell.bar.tree / "two").write_text("two\n")
    text = shell.run("diff")
    assert "-one\n" in text and "+changed\n" in text and "+two\n" in text
    assert "+two" not in shell.run("diff", shell.bar.tree / "one")
    shell.bar.push()
    assert shell.run("diff") == ""
    names = shell.run("diff", "--names", "-c", shell.bar.context().state.read().tip)
    assert {line.split()[0] for line in names.splitlines() if "/one" in line or "/two" in line} == {"M", "A"}


def test_more_than_two_snapshots_are_refused(shell: Shell) -> None:
    shell.bar.push()
    shell.run("diff", "yesterday", "now", "tomorrow", code=2)
    shell.run("diff", "-c", "now", "yesterday", code=2)
