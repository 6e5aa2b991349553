"""Python in UTF-8 mode and with docstrings, whatever the locale and the environment say."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest

from pacha.system import interpreter

LINE = [b"python", b"pacha", b"watch", b"/opt/\xa1\xfe"]
SCRIPT = """
import os, sys
from pacha.system import interpreter
interpreter.restart_if_needed()
print(sys.getfilesystemencoding(), sys.flags.optimize, os.fsencode(sys.argv[1]).hex())
"""


def test_nothing_is_done_where_all_is_as_it_should_be() -> None:
    environment = {"PYTHONOPTIMIZE": "1"}
    assert interpreter.command_of_restart(LINE, environment) == []
    assert environment == {"PYTHONOPTIMIZE": "1"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "utf-8 0"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, "utf-8 0"),
        ({"PYTHONOPTIMIZE": "1"}, "utf-8 1"),
        ({"PYTHONOPTIMIZE": "2"}, "utf-8 1"),
        ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONOPTIMIZE": "22"}, "utf-8 1"),
    ],
)
def test_a_process_that_is_not_is_replaced(more: dict[str, str], said: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **more}
    command = [os.fsencode(sys.executable), b"-c", SCRIPT.encode(), b"a\xa1\xfe\xff"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{said} 61a1feff\n", "")


@pytest.mark.parametrize("more", [{}, {"PYTHONOPTIMIZE": "2"}])
@pytest.mark.parametrize(("options", "said"), [(["-OO"], 1), (["-s", "-O", "-OO"], 1), (["-sOO"], 2)])
def test_the_option_of_the_command_line_is_left_out(options: list[str], said: int, more: dict[str, str]) -> None:
    command = [sys.executable, *options, "-c", SCRIPT, "-OO"]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), **more}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == (f"utf-8 {said} 2d4f4f\n", "")


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("UTF-8", "é€ \\udcff".encode()),
        ("ISO-8859-1", b"\xe9\\u20ac \\udcff"),
        ("ANSI_X3.4-1968", "é€ \\udcff".encode()),
        ("nothing-known", "é€ \\udcff".encode()),
    ],
)
def test_no_character_ends_the_output(encoding: str, written: bytes) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    interpreter._fit(stream, encoding)
    stream.write("é€ \udcff")
    stream.flush()
    assert stream.buffer.getvalue() == written  # type: ignore[attr-defined]


def test_a_stream_that_is_none_of_pythons_own() -> None:
    interpreter._fit(io.StringIO(), "UTF-8")
