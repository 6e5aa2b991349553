"""The guard of tests/conftest.py: it stops what would touch the machine's own files."""

from __future__ import annotations

import os
import pwd
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.amount import left_for_another_day

NAME = "pacha-guard-test/none"  # should the guard fail, none of this can succeed
HOME = pwd.getpwuid(os.getuid()).pw_dir


def _by_descriptor() -> None:
    folder = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.mkdir(NAME, dir_fd=folder)
    finally:
        os.close(folder)


def _owner_by_descriptor() -> None:
    with open("/etc/passwd", "rb") as file:
        os.fchown(file.fileno(), -1, -1)


@pytest.mark.parametrize(
    "touch",
    [
        lambda: Path("/etc", NAME).write_text(""),
        lambda: os.open(f"/etc/{NAME}", os.O_CREAT | os.O_WRONLY),
        lambda: Path("/etc/../etc", NAME).mkdir(),
        lambda: os.rename(f"/tmp/{NAME}", f"/etc/{NAME}"),
        lambda: os.symlink("x", f"/etc/{NAME}"),
        lambda: os.unlink(b"/etc/" + NAME.encode()),
        lambda: os.utime(f"/etc/{NAME}"),
        lambda: sqlite3.connect("/var/lib/pacha/pacha.db"),
        lambda: Path(HOME, ".ssh", "known_hosts").read_bytes(),
        lambda: Path(HOME, ".hgrc").read_bytes(),
        lambda: os.open(f"{HOME}/.ssh", os.O_RDONLY),
        _by_descriptor,
        _owner_by_descriptor,
    ],
)
def test_the_machine_s_own_files_are_out_of_reach(touch: Callable[[], object]) -> None:
    with pytest.raises(BaseException, match="a test is not to touch"):
        touch()


def test_reading_etc_is_allowed() -> None:
    assert Path("/etc/passwd").read_bytes()


def test_the_test_has_a_home_of_its_own(isolated: Path) -> None:
    assert os.path.expanduser("~") == str(isolated) != HOME
    assert Path(tempfile.gettempdir()).parent == isolated
    assert "SSH_AUTH_SOCK" not in os.environ
    umask = os.umask(0o022)
    assert umask == 0o022


def test_of_each_test_one_case_at_least_is_of_this_day(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["one", *(f"two[{case}]" for case in "abcde"), "three[a]"]
    monkeypatch.delenv("PACHA_SOAK", raising=False)
    seen = set[str]()
    for day in ("4", "5"):
        monkeypatch.setenv("PACHA_DAY", day)
        left = left_for_another_day(names, 2)
        assert left < {f"two[{case}]" for case in "abcde"} and len(left) in (2, 3)
        seen |= set(names) - left
    assert seen == set(names)
    monkeypatch.setenv("PACHA_SOAK", "1")
    assert left_for_another_day(names, 2) == set()
