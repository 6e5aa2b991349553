"""push says what it sent; with --due, only where it is time."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from pacha.push.parallel import Sharing
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_what_was_sent_is_told(shell: Shell) -> None:
    shown = shell.run("push", "-m", "why")
    assert "bar: " in shown and "(snapshot " in shown and "/hosts has it all" in shown
    assert "nothing changed" in shell.run("push")
    assert shell.run("-q", "push") == ""


def test_one_that_is_not_due_does_nothing(shell: Shell) -> None:
    shell.run("push")
    (shell.bar.tree / "one").write_text("changed\n")
    tip = shell.bar.context().state.read().tip
    assert shell.run("push", "--due") == "" and shell.bar.context().state.read().tip == tip


def test_the_first_alone_has_a_second_process(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    real, shared = Sharing.reading, list[int]()

    def reading(sharing: Sharing, *given: Any) -> Any:
        shared.append(len(given[0]))
        return real(sharing, *given)

    monkeypatch.setattr(Sharing, "reading", reading)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    shell.run("push")
    (shell.bar.tree / "one").write_text("changed\n")
    shell.run("push")
    assert shared == [1]


def test_the_failure_of_an_only_master_is_the_commands(shell: Shell) -> None:
    (shell.bar.top / "hosts").write_text("a file, not a folder\n")
    assert "pacha: " in shell.both("push", code=11)[1]
