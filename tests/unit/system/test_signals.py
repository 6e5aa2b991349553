"""A signal ends a command through one exception in the main thread, at once, even while it waits."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

BEGIN = """
import os, signal, subprocess, sys, threading, time
from pacha.errors import Signalled
from pacha.system import signals
signals.listen()
"""
WAIT = """
try:
    print("waits", flush=True)
    {what}
except Signalled as ended:
    print(ended.number, flush=True)
"""


def run(script: str, ignored: signal.Signals | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``script`` in a process that has inherited ``ignored`` as ignored."""
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script], capture_output=True, text=True, timeout=60,
        preexec_fn=None if ignored is None else lambda: signal.signal(ignored, signal.SIG_IGN),
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("what", ["time.sleep(50)", "threading.Lock().acquire() and threading.Event().wait()"])
def test_it_raises_at_once_while_the_main_thread_waits(number: signal.Signals, what: str) -> None:
    command = [sys.executable, "-c", BEGIN + WAIT.format(what=what)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "waits\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.stdout.read() == f"{int(number)}\n"
        assert time.monotonic() - began < 10


def test_a_second_one_does_not_come_into_the_clean_up_and_a_late_one_does() -> None:
    done = run("""
from unittest import mock
def send():
    try:
        signal.raise_signal(signal.SIGHUP)
    except Signalled:
        return "raised"
    return "passed over"
print(send(), send())
with mock.patch("time.monotonic", lambda now=time.monotonic() + 10: now):
    print(send())
""")
    assert done.stdout.split("\n") == ["raised passed over", "raised", ""], done.stderr


def test_one_that_is_ignored_stays_so() -> None:
    done = run("signal.raise_signal(signal.SIGHUP)\nprint('goes on')", ignored=signal.SIGHUP)
    assert done.stdout == "goes on\n"


def test_how_a_process_of_ours_ended_is_known_even_where_that_was_ignored() -> None:
    done = run("print(subprocess.run(['sh', '-c', 'exit 7']).returncode)", ignored=signal.SIGCHLD)
    assert done.stdout == "7\n"


def test_what_a_child_hears_is_not_the_parents() -> None:
    done = run("""
child = os.fork()
if child == 0:
    try:
        signal.raise_signal(signal.SIGTERM)
    except Signalled:
        os._exit(5)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
time.sleep(0.5)
print("goes on")
""")
    assert done.stdout == "5\ngoes on\n", done.stderr


@pytest.mark.parametrize("body", ["print('whole')", "print('whole'); raise OSError"])
def test_one_that_is_held_comes_at_the_end(body: str) -> None:
    done = run(f"""
try:
    with signals.held():
        signal.raise_signal(signal.SIGTERM)
        {body}
    print("too late")
except Signalled as ended:
    print(ended.number)
with signals.held():
    print("and once")
""")
    assert done.stdout == "whole\n15\nand once\n", done.stderr


@pytest.mark.parametrize("what", ["signal.raise_signal(signal.SIGINT)", "deep()"])
def test_one_that_comes_into_an_import_does_not_keep_its_lock(what: str) -> None:
    """Between two lines of Python's own, the lock of all imports would be taken for good, and every thread waits."""
    done = run(f"""
def deep():
    signal.raise_signal(signal.SIGINT)
text = "taken.acquire(); {what}\\ntry: pass\\nfinally: taken.release()"
taken = threading.Lock()
try:
    exec(compile(text, "<frozen importlib._bootstrap>", "exec"))
    print("imported", flush=True)
    time.sleep(50)
except Signalled as ended:
    print(ended.number, taken.locked())
""")
    assert done.stdout == "imported\n2 False\n", done.stdout + done.stderr
