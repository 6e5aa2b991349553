"""rebuild takes its options to the rebuild, and nothing is changed by --dry-run."""

from __future__ import annotations

import json
import os

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_a_file_comes_back_and_a_dry_run_leaves_it(shell: Shell) -> None:
    shell.bar.push()
    (shell.bar.tree / "one").write_text("changed\n")
    shell.run("rebuild", "bar", "--dry-run")
    assert (shell.bar.tree / "one").read_text() == "changed\n"
    shell.run("rebuild", "bar", "--yes")
    assert (shell.bar.tree / "one").read_text() == "one\n"


def test_below_a_target_and_as_json(shell: Shell) -> None:
    shell.bar.push()
    out = shell.bar.top / "out"
    code = 0 if os.geteuid() == 0 else 3  # the folders above are root's, which is named
    report = json.loads(shell.run("rebuild", "bar", "--yes", "--json", "--target", out, code=code))
    assert report["host"] == "bar"
    assert (out / str(shell.bar.tree)[1:] / "one").read_text() == "one\n"


def test_options_that_make_no_sense(shell: Shell) -> None:
    shell.bar.push()
    shell.run("rebuild", "bar", "--yes", "--at", "no time", code=2)
    shell.run("rebuild", "bar", "--yes", "--from", "elsewhere", code=2)
