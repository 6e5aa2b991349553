"""The process that most stories start ``pacha`` from: what it starts finds what a fresh process would find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import surroundings
from tests.support.launcher import Launcher

PROGRAM = surroundings.__file__
HG = {"HGRCPATH": "", "HGRCSKIPREPO": "1", "HGPLAIN": "1", "HGMODULEPOLICY": "allow"}  # what pacha.store.hg sets


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    made = Launcher("tests.support.surroundings")
    yield made
    made.close()


def fresh(environment: dict[str, str], stdin: bytes) -> tuple[int, bytes, bytes]:
    """What a process of its own comes to, with files for its streams."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        command = [sys.executable, PROGRAM, "one", "two words"]
        code = subprocess.run(command, env=environment, stdin=given, stdout=out, stderr=err).returncode
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def both(launcher: Launcher, environment: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a launched and a fresh process find; they end alike and say the same to their errors."""
    words = [os.fsencode(word) for word in (PROGRAM, "one", "two words")]
    code, out, err = launcher.run(words, environment, b"a\nb", 60)
    assert (code, err) == (0, b"said\n"), err
    assert fresh(environment, b"a\nb")[::2] == (code, err)
    return json.loads(out), json.loads(fresh({**environment, **HG}, b"a\nb")[1])


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_launched_process_begins_as_a_fresh_one(launcher: Launcher, tmp_path: Path, umask: int) -> None:
    before = os.getcwd(), os.umask(umask)
    os.chdir(tmp_path)
    try:
        launched, real = both(launcher, {**os.environ, "ONE": "more", "TZ": "Asia/Tokyo"})
    finally:
        os.chdir(before[0])
        os.umask(before[1])
    assert f"Umask:\t{umask:04o}" in real["masks"] and real["cwd"] == str(tmp_path)
    assert {key: (launched[key], real[key]) for key in real if launched[key] != real[key]} == {}


def test_what_a_fork_cannot_change_needs_a_real_start(launcher: Launcher) -> None:
    assert launcher.fits({**os.environ, "TZ": "Asia/Tokyo", "HGPLAIN": "x"})
    for name in ("LANG", "LC_ALL", "PYTHONHASHSEED"):
        assert not launcher.fits({**os.environ, name: "de_DE.UTF-8"})


def test_a_run_that_takes_too_long_is_ended(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        launcher.run([os.fsencode(PROGRAM), b"--sleep", os.fsencode(tmp_path / "number")], os.environ, b"", 2)
    number = (tmp_path / "number").read_text()
    ends = time.monotonic() + 10
    while Path("/proc", number).exists() and time.monotonic() < ends:
        time.sleep(0.01)
    assert not Path("/proc", number).exists()
