"""A state folder on a file system that is mounted read-only: what only looks works, the rest says why it does not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.stage import Host, alone, said, small_disk

pytestmark = pytest.mark.usefixtures("as_root")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """While the body runs, the mounted ``folder`` is read-only."""
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host that has pushed two snapshots and changed a file since; its state folder is a file system of its own."""
    made = alone(tmp_path)
    file = tmp_path / "opt" / "foo" / "one"
    file.parent.mkdir(parents=True)
    file.write_text("one\n")
    with small_disk(made.state, "32m"):
        made.watch(file.parent)
        made.push()
        file.write_text("two\n")
        made.push()
        file.write_text("three\n")
        yield made


def test_what_only_looks_works(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "opt" / "foo" / "one"
    with read_only(host.state):
        shown = host.pacha("diff")
        assert shown.code == 0 and "+three" in shown.out
        assert host.pacha("cat", file).must().out == "two\n"
        assert str(file) in host.pacha("verify").must(3).out
        host.pacha("status").must()
        assert "replace" in host.rebuild("--dry-run").out
        assert "replace" in host.rebuild("--dry-run", "--hooks", "--path", file).out
        assert "mounted read-only" in " ".join(host.pacha("doctor").must(3).out.split())
    assert list(host.temporary.iterdir()) == []


def test_a_rebuild_without_any_state_is_planned(host: Host) -> None:
    """As on a rescue system."""
    with read_only(host.state):
        shown = host.pacha("rebuild", "bar", "--dry-run", PACHA_STATE=str(host.state / "none" / "pacha")).must()
    assert "1 to replace" in shown.out


@pytest.mark.parametrize("words", ["push", "watch /opt", "rebuild bar --yes", "restore-db bar", "undo --yes"])
def test_what_changes_something_says_why_it_cannot(host: Host, words: str) -> None:
    with read_only(host.state):
        said(host.pacha(*words.split()).must(1), "cannot be written to", "mounted read-only", "PACHA_STATE")
