"""init writes a configuration once, from options where nobody can be asked."""

from __future__ import annotations

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_a_configuration_and_what_is_watched(shell: Shell) -> None:
    place, tree = shell.bar.top / "new.conf", shell.bar.top / "etc"
    tree.mkdir()
    words = ("--config", place, "init", "--host", "local", "--hostname", "new", "--watch", tree)
    shown = shell.run(*words)
    assert f"Wrote {place}." in shown and f"Watching {tree}." in shown
    assert "pacha.hostname = new" in shell.run("--config", place, "config-values")
    before = place.read_text()
    shell.run(*words, code=2)
    assert place.read_text() == before
    shell.run(*words, "--force")


def test_what_would_be_asked_is_named(shell: Shell) -> None:
    place = shell.bar.top / "new.conf"
    err = shell.both("--config", place, "init", "--host", "local", "--hostname", "new", code=2)[1]
    assert "--watch" in err and not place.exists()
