"""What a process finds when it begins, as JSON: for comparing how it was started."""

from __future__ import annotations

import json
import locale
import os
import resource
import signal
import stat
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any


def surroundings() -> dict[str, Any]:
    """Everything that whoever starts a process decides, but for its numbers."""
    masks = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(("Sig", "Umask"))]
    streams = (sys.stdin, sys.stdout, sys.stderr)
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    return {
        "argv": sys.argv,
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "path": sys.path[0],
        "group": [os.getpgid(0), os.getsid(0)],
        "masks": [line for line in masks if not line.startswith("SigQ")],
        "handlers": {number.name: repr(signal.getsignal(number)).split(" at ")[0] for number in signal.Signals},
        "descriptors": {number: _kind(number) for number in range(100) if _kind(number)},
        "streams": [
            [stream.fileno(), stream.encoding, stream.errors, stream.mode, stream.line_buffering, stream.write_through,
             stream.isatty(), type(stream.buffer).__name__]
            for stream in streams
        ],
        "read": sys.stdin.read(),
        "threads": threading.active_count(),
        "limits": limits,
        "locale": [locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), repr(sys.flags)],
        "temporary": [tempfile.tempdir, tempfile.gettempdir()],
        "priority": os.nice(0),
    }  # fmt: skip


def _kind(number: int) -> int:
    try:
        return stat.S_IFMT(os.fstat(number).st_mode)
    except OSError:
        return 0


def main() -> None:
    """Print it; or write the process's number to a file, and wait."""
    if sys.argv[1] == "--sleep":
        Path(sys.argv[2]).write_text(str(os.getpid()))
        time.sleep(600)
    print(json.dumps(surroundings()))
    print("said", file=sys.stderr)


if __name__ == "__main__":
    main()
