"""What is spelt as authorized_keys and the clients spell it is served without click; the rest is click's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pacha.server import command_line

START = ["serve", "bar", "--hosts-path"]


@pytest.mark.parametrize(
    "words",
    [
        ["push"],
        ["serve", "bar"],
        ["serve", "--help", "--hosts-path", "/hosts"],
        [*START, "hosts", "--control"],
        [*START, "/hosts", "--help"],
        [*START, "/hosts", "--control", "-v"],
        [*START, "/hosts", "--repository"],
        [*START, "/hosts", "more"],
    ],
)
def test_what_is_left_to_click(words: list[str]) -> None:
    assert command_line.run(words) is None


@pytest.mark.parametrize(
    ("words", "code"), [(["--control"], 0), (["--push-only", "--control"], 0), (["--repository", "etc"], 1), ([], 11),
                        (["--repository", ".hg"], 2), (["--push-only", "--rebuild-only"], 2)],
)  # fmt: skip
@pytest.mark.slow
def test_both_ways_end_alike(tmp_path: Path, words: list[str], code: int) -> None:
    (tmp_path / "bar").mkdir(mode=0o700)
    ends = []
    for start in ([*START, str(tmp_path)], ["serve", "bar", f"--hosts-path={tmp_path}"]):
        command = [sys.executable, "-m", "pacha", *start, *words]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        ends.append((done.returncode, done.stderr, done.stdout[:12]))
    assert ends[0] == ends[1] and ends[0][0] == code
