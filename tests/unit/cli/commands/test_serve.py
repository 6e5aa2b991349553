"""serve does what the command of a connection asks, and nothing else."""

from __future__ import annotations

import pytest

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


@pytest.mark.parametrize("command", ["", "sh", "rm -rf /", "hg -R /elsewhere serve --stdio"])
def test_what_is_not_allowed_is_denied(shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", command)
    assert shell.run("serve", "bar", "--hosts-path", shell.bar.top / "hosts", code=11) == ""


def test_without_a_command_there_is_no_shell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_ORIGINAL_COMMAND", raising=False)
    assert "it gives no shell" in shell.both("serve", "bar", "--hosts-path", shell.bar.top / "hosts", code=11)[1]


def test_a_folder_that_is_not_absolute(shell: Shell) -> None:
    shell.run("serve", "bar", "--hosts-path", "hosts", code=2)
