"""A system that starts no more threads or processes (TasksMax, ulimit -u): that is told, and nothing is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.stage import PACHA, Done, Host, changed, picture

_CALLS = "clone,clone3,fork,vfork"


def limited(host: Host, starts: int, *arguments: str | Path) -> Done:
    """A run of pacha each of whose threads can start only so many others, or processes."""
    refuse = f"inject={_CALLS}:error=EAGAIN:when={starts + 1}+"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={_CALLS}", "-e", refuse, PACHA, *arguments]
    done = subprocess.run(command, env=host.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "fault in Pacha" not in done.stderr and "Exception in thread" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def tree(bar: Host) -> Path:
    top = bar.stage.folder / "opt" / "foo"
    top.mkdir(parents=True)
    (top / "one").write_text("one\n")
    bar.watch(top)
    return top


@pytest.mark.parametrize("starts", by_turns([0, 1, 3, 6, 12, 20], 2))
def test_a_push(bar: Host, tree: Path, starts: int) -> None:
    done = limited(bar, starts, "push")
    if done.code:
        assert "starts no more threads or processes" in done.err, done.err
    bar.push()
    bar.verify_master()


@pytest.mark.parametrize("starts", [0, 1, 3, 6, 12])
def test_a_rebuild(bar: Host, tree: Path, starts: int) -> None:
    bar.push()
    before = picture(tree)
    (tree / "one").write_text("changed\n")
    done = limited(bar, starts, "rebuild", "bar", "--yes")
    if done.code:
        assert "starts no more threads or processes" in done.err, done.err
        bar.rebuild()
    assert changed(before, picture(tree)) == []


def test_what_needs_none(bar: Host, tree: Path) -> None:
    bar.push()
    for words in (["status"], ["log"], ["verify"]):
        assert limited(bar, 0, *words).code == 0
