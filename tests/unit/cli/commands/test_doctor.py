"""doctor prints each check, or those that found something, or JSON."""

from __future__ import annotations

import json

from pacha.cli.exit_code import run_command
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_each_check_is_printed_and_the_worst_is_the_code(shell: Shell) -> None:
    shell.bar.push()
    shell.capture.readouterr()
    code = run_command(["doctor", "--json"])
    checks = json.loads(shell.capture.readouterr().out)
    assert code == max(check["code"] for check in checks)
    every, quiet = shell.run("doctor", code=code), shell.run("-q", "doctor", code=code)
    assert len(every.splitlines()) >= len(checks) > len([check for check in checks if check["code"]])
    assert len(quiet) < len(every)


def test_a_configuration_that_is_invalid_is_a_check_that_failed(shell: Shell) -> None:
    (shell.bar.top / "pacha.conf").write_text("[DEFAULT]\npacha.nonsense = 1\n")
    assert "pacha.nonsense" in shell.run("doctor", code=10)
