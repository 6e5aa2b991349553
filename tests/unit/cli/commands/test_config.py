"""add-config remembers a sound file; config-values prints one."""

from __future__ import annotations

import os

from pacha.config.parse import parse_config
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_what_is_shown_is_a_configuration_with_what_is_watched(shell: Shell) -> None:
    text = shell.run("config-values")
    assert parse_config(text).hostname == "bar"
    assert f"# watched: {shell.bar.tree} as 'foo'" in text


def test_a_sound_file_is_found_from_then_on(shell: Shell) -> None:
    (shell.bar.top / "other.conf").write_text("[DEFAULT]\npacha.host = local\npacha.hostname = other\n")
    shell.run("add-config", "other.conf")
    del os.environ["PACHA_CONFIG"]
    assert "pacha.hostname = other" in shell.run("config-values")


def test_an_invalid_one_is_not_remembered(shell: Shell) -> None:
    (shell.bar.top / "other.conf").write_text("[DEFAULT]\npacha.nonsense = 1\n")
    shell.run("add-config", "other.conf", code=10)
    del os.environ["PACHA_CONFIG"]
    shell.run("config-values", code=10)
