"""What a program may say, and for how long."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pacha.system.limited_output import Ended, read_output


def run(script: str, seconds: float = 10.0, most: int = 1000) -> tuple[int, bytes, bytes]:
    done = read_output(["/bin/sh", "-c", script], dict(os.environ), seconds, most)
    return done.status, done.stdout, done.stderr


def test_status_output_and_the_last_of_stderr() -> None:
    assert run("echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")
    status, output, last = run("head -c 1000000 /dev/zero >&2; echo end >&2")
    assert (status, output, len(last), last[-4:]) == (0, b"", 2048, b"end\n")


def test_no_more_than_it_may_say() -> None:
    status, output, _ = run("yes")
    assert status != 0 and len(output) == 1001


def test_one_that_does_not_end_is_killed_with_its_children(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run(f"sleep 600 & echo $! > {tmp_path}/pid; wait", seconds=0.3)
    assert time.monotonic() - began < 5
    child = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{child}/status")
    assert not state.exists() or "State:\tZ" in state.read_text()


def test_one_that_is_not_there() -> None:
    with pytest.raises(OSError):
        read_output(["/no/such/program"], {}, 1.0, 10)


@pytest.mark.parametrize(("said", "last"), [("", b""), ("one\ntwo\n \n", b"two"), ("one", b"one")])
def test_the_last_line_of_its_stderr_is_its_complaint(said: str, last: bytes) -> None:
    assert Ended(1, b"", said.encode()).complaint == last
