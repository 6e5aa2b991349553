"""completion prints what a shell takes, without running that shell."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_each_shell_has_its_own(shell: Shell, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "_PACHA_COMPLETE" in shell.run("completion", name)


def test_bash_takes_it(shell: Shell) -> None:
    subprocess.run(["bash", "-n"], input=shell.run("completion", "bash").encode(), check=True)


def test_another_shell_is_refused(shell: Shell) -> None:
    shell.run("completion", "csh", code=2)
