"""undo lists, shows or does what it would do."""

from __future__ import annotations

import pytest

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


@pytest.fixture
def rebuilt(shell: Shell) -> Shell:
    shell.bar.push()
    (shell.bar.tree / "one").write_text("edited\n")
    shell.run("rebuild", "bar", "--yes")
    return shell


def test_it_is_listed_shown_and_done(rebuilt: Shell) -> None:
    one = rebuilt.bar.tree / "one"
    assert len(rebuilt.run("undo", "--list").splitlines()) == 1
    shown = rebuilt.run("undo", "--dry-run")
    assert str(one) in shown and "Nothing was changed." in shown and one.read_text() == "one\n"
    assert "Undone: " in rebuilt.run("undo") and one.read_text() == "edited\n"


def test_there_is_nothing_to_undo_twice(rebuilt: Shell) -> None:
    rebuilt.run("undo", "--yes")
    rebuilt.run("undo", "--yes", code=1)
