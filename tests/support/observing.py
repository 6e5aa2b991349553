"""The entry of one path, and the system programs that give a path what an entry records."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.files import metadata
from pacha.files.content import observe_and_hash
from pacha.files.entry import Entry
from pacha.files.owners import Accounts

ACCOUNTS = Accounts({0: b"root", 54001: b"alice"}, {0: b"root", 54050: b"staff"}, {}, {})


@pytest.fixture(name="folder")
def opened_folder(tmp_path: Path) -> Iterator[int]:
    """The descriptor of ``tmp_path``."""
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def run(*command: str | Path) -> None:
    """Run a program of the system; where it is not installed the test is skipped, with CI set it fails."""
    program = shutil.which(str(command[0]), path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"{command[0]} is not installed, and CI is set")
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run([program, *map(str, command[1:])], capture_output=True, text=True, check=False)
    if "not supported" in done.stderr:
        pytest.skip(f"the file system of the tests knows no {command[0]}")
    assert done.returncode == 0, done.stderr


def observe(path: Path, folder: int, *, with_content: bool = False) -> Entry:
    """The entry of ``path``, which lies in ``folder``."""
    look = observe_and_hash if with_content else metadata.observe
    return look(path.name.encode(), folder, os.fsencode(path), ACCOUNTS)
