"""purge shows what it will erase, asks, and says what it did."""

from __future__ import annotations

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def came_and_went(shell: Shell) -> str:
    for text in ("SECRET\n", "none\n"):
        (shell.bar.tree / "one").write_text(text)
        shell.bar.push()
    return str(shell.bar.tree / "one")


def test_it_is_shown_and_done(shell: Shell) -> None:
    path = came_and_went(shell)
    out, err = shell.both("purge", "bar", path, "--dry-run")
    assert f"{path}: 1 content, 7 bytes" in out and "in the newest snapshot stays" in err
    assert not (shell.bar.master / ".purged").exists()
    assert "Erased 1 file revision" in shell.run("purge", "bar", path, "--yes", "-m", "oops", code=3)


def test_without_an_answer_nothing_is_done(shell: Shell) -> None:
    path = came_and_went(shell)
    shell.run("purge", "bar", path, code=1)
    assert not (shell.bar.master / ".purged").exists()


def test_there_may_be_nothing_to_erase(shell: Shell) -> None:
    path = came_and_went(shell)
    assert "nothing was purged" in shell.run("purge", "bar", "/etc/none", "--yes")
    assert "nothing was purged" in shell.run("purge", "bar", path, "--older-than", "1d", "--yes")
    shell.run("purge", "bar", path, "--older-than", "soon", code=2)
    shell.run("purge", "bar", code=2)
    shell.run("purge", "none", path, code=1)
