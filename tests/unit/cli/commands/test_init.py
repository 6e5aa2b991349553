"""init writes a configuration once, from options where nobody can be asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pacha.host import init
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.sealing import sealers
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)
from tests.support.terminal import Terminal


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


def test_secrets_are_sealed_for_whom_a_person_names(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    place, tree = shell.bar.top / "new.conf", shell.bar.top / "a folder"
    tree.mkdir()
    (tree / "server.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tree / "plain").write_text("plain\n")
    people = sealers(shell.bar.top / "people")
    words = ("--config", place, "init", "--host", "local", "--hostname", "new", "--watch", tree, "--force")

    def written(answer: str, code: int = 0) -> list[str]:
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        shown = "".join(shell.both(*words, code=code))
        assert ("server.key" in shown) and ("will be readable" in shown)
        return [line for line in lines_of(place) if line.startswith("pacha.seal")]

    assert written("\n") == []
    assert "pacha.hostname = new" in lines_of(place)
    place.unlink()
    assert written(f"{tree}/plain\n", code=10) == [] and not place.exists(), "it is no file of recipients"
    assert written(f"{people.recipients}\n") == [
        f"pacha.seal = '{tree}/server.key'",
        f"pacha.seal.to = {people.recipients}",
    ]
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    monkeypatch.setattr(init, "secrets_below", lambda paths: pytest.fail("nobody can be asked"))
    monkeypatch.setattr(Terminal, "isatty", lambda self: False)
    shell.run(*words)
    assert not any(line.startswith("pacha.seal") for line in lines_of(place))


def lines_of(place: Path) -> list[str]:
    """The lines of a configuration, none where there is none."""
    return place.read_text().splitlines() if place.exists() else []
