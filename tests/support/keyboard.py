"""Somebody at a terminal who hits keys when pacha asks."""

from __future__ import annotations

import os
import subprocess
import time

from tests.support.stage import PACHA, Host


def at_terminal(host: Host, *words: str, keys: list[bytes]) -> tuple[int, str]:
    """Run pacha at a terminal; one of ``keys`` is hit at each question. Returns the exit code and what it showed."""
    ours, theirs = os.openpty()
    command = ["setsid", "--ctty", PACHA, *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=host.environment()) as process:
        os.close(theirs)
        shown, waiting = b"", list(keys)
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # EIO: the other side is closed (pty(7))
                break
            shown += piece
            if waiting and shown.count(b"Ctrl-C to cancel") > len(keys) - len(waiting):
                time.sleep(0.1)
                os.write(ours, waiting.pop(0))
        os.close(ours)
        assert not waiting, shown
        return process.wait(10), shown.decode("utf-8", "replace")
