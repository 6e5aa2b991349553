"""No service starts while packages are installed, and nothing of that stays."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from pacha.machine.packages.policy_rc import blocked_services, sweep


@pytest.fixture(name="lock")
def held_lock(tmp_path: Path) -> Path:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "lock").touch()
    return tmp_path / "lock"


def answer(root: Path) -> int:
    return subprocess.run([root / "usr/sbin/policy-rc.d", "ssh", "start"]).returncode


def test_it_forbids_as_long_as_the_lock_is_held(tmp_path: Path, lock: Path) -> None:
    with blocked_services(lock, tmp_path):
        with open(lock) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert answer(tmp_path) == 101
        assert answer(tmp_path) == 0  # killed: nobody holds it
        lock.unlink()
        assert answer(tmp_path) == 0
    assert os.listdir(tmp_path / "usr/sbin") == []


def test_one_that_was_there_is_put_back_also_after_an_error(tmp_path: Path, lock: Path) -> None:
    own = tmp_path / "usr/sbin/policy-rc.d"
    own.symlink_to("/etc/alternatives/policy-rc.d")
    with pytest.raises(ValueError), blocked_services(lock, tmp_path):
        assert not own.is_symlink()
        raise ValueError
    assert os.readlink(own) == "/etc/alternatives/policy-rc.d" and os.listdir(own.parent) == ["policy-rc.d"]


@pytest.mark.parametrize("own", ["", "#!/bin/sh\nexit 104\n"])
def test_what_a_killed_run_left_is_swept(tmp_path: Path, lock: Path, own: str) -> None:
    place = tmp_path / "usr/sbin/policy-rc.d"
    if own:
        place.write_text(own)
    abandoned = blocked_services(lock, tmp_path)
    abandoned.__enter__()
    kept = abandoned  # never left: as after a kill
    sweep(tmp_path)
    assert (place.read_text() if place.exists() else "") == own
    sweep(tmp_path)
    assert os.listdir(place.parent) == (["policy-rc.d"] if own else [])
    del kept


def test_a_program_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 0\n")
    sweep(tmp_path)
    assert (tmp_path / "usr/sbin/policy-rc.d").exists()
