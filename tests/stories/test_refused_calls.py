"""System calls that a kernel, a container engine or a file system refuses; strace(1) stands in for them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.amount import by_turns
from tests.support.stage import PACHA, Done, Host, alone, changed, picture


def refused(host: Host, fault: str, *arguments: str, at: Sequence[Path] = ()) -> Done:
    """A run of pacha in which the kernel makes ``fault`` (calls, and the error of each), perhaps only ``at`` paths."""
    calls = fault.partition(":")[0]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={fault}"]
    places = [word for path in at for word in ("-P", path)]
    command = [*strace, *places, PACHA, *arguments]
    done = subprocess.run(command, env=host.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert "fault in Pacha" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def tree(bar: Host) -> Path:
    top = bar.stage.folder / "opt" / "foo"
    top.mkdir(parents=True)
    (top / "one").write_text("one\n")
    bar.watch(top)
    return top


@pytest.mark.parametrize(
    "fault",
    by_turns(
        [
            "faccessat2:error=EPERM",  # container engines older than the call
            "renameat2:error=EINVAL",  # file systems in user space
            "syncfs:error=ENOSYS",
        ],
        3,
    ),
)
def test_what_can_be_done_without(bar: Host, tree: Path, fault: str) -> None:
    refused(bar, fault, "push").must()
    before = picture(tree)
    (tree / "one").write_text("changed\n")
    refused(bar, fault, "rebuild", "bar", "--yes").must()
    assert changed(before, picture(tree)) == []
    refused(bar, fault, "undo", "--yes").must()
    assert (tree / "one").read_text() == "changed\n"


def test_a_directory_that_cannot_be_synced(bar: Host, tree: Path) -> None:
    bar.push()
    (tree / "one").write_text("changed\n")
    refused(bar, "fsync:error=EINVAL", "rebuild", "bar", "--yes", at=[bar.state]).must()
    assert (tree / "one").read_text() == "one\n"


def test_a_master_in_a_folder_that_cannot_be_synced(tmp_path: Path) -> None:
    host, top = alone(tmp_path), tmp_path / "opt"
    top.mkdir()
    host.watch(top)
    last_push = host.repository("last-push")
    there = [last_push.parent, last_push.with_name("last-push.new")]
    refused(host, "fsync,syncfs:error=EINVAL", "push", at=there).must()  # CIFS before Linux 4.17
    assert last_push.exists()


@pytest.mark.parametrize("command", ["push", "status", "verify"])
def test_a_state_folder_without_locks(bar: Host, tree: Path, command: str) -> None:
    bar.push()
    done = refused(bar, "flock:error=ENOLCK", command).must(1)
    assert "The state folder cannot be locked." in done.err and str(bar.state / "lock") in done.err
