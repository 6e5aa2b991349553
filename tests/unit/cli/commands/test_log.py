"""log lists the snapshots that touched a path, newest first."""

from __future__ import annotations

import json

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_newest_first_and_by_path(shell: Shell) -> None:
    shell.bar.push("the first")
    (shell.bar.tree / "two").write_text("two\n")
    shell.bar.push("the second")

    def messages(*words: str) -> list[str]:
        return [entry["message"] for entry in json.loads(shell.run("log", "--json", *words))]

    assert messages() == ["the second", "the first"] and messages("-n", "1") == ["the second"]
    assert messages(f"{shell.bar.tree}/one") == ["the first"]
    assert "+two" in shell.run("log", "-p", "-n", "1") and "+two" not in shell.run("log")


def test_a_path_that_nothing_touched_is_told(shell: Shell) -> None:
    shell.bar.push()
    out, err = shell.both("log", f"{shell.bar.tree}/none")
    assert out == "" and "no snapshot touched" in err
    shell.run("log", "bar", "foo", code=2)
