"""demo plays the story, and fails where not every path came back."""

from __future__ import annotations

import pytest

from pacha.cli.commands import demo
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_story_ends_well(shell: Shell) -> None:
    assert "$ pacha --rebuild bar" in shell.run("demo")


def test_what_did_not_come_back_is_a_failure(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "play", lambda over_ssh, say: over_ssh)
    shell.run("demo", code=1)
    shell.run("demo", "--ssh")
