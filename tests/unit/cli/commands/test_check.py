"""check ends with the worst result, as lines or as JSON."""

from __future__ import annotations

import json

import pytest

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


@pytest.mark.slow
def test_a_sound_host_and_a_damaged_one(shell: Shell) -> None:
    shell.bar.push()
    assert "bar" in shell.run("check", "--rehearse")
    (shell.bar.master / "foo" / ".hg" / "store" / "00manifest.i").unlink()
    out, err = shell.both("check", code=13)
    assert "bar" in err and "bar" not in out
    results = json.loads(shell.run("check", "--json", code=13))
    assert [result["host"] for result in results] == ["bar"]


def test_a_host_that_there_is_not(shell: Shell) -> None:
    shell.bar.push()
    assert shell.run("check", "none", code=1) == ""
