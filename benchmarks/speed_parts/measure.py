"""Running a command to its end: seconds, seconds of CPU and peak memory of it and of all it started."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, seconds of CPU here and on the server, peak memory of the largest process here in MiB."""

    seconds: float
    cpu: float
    mib: float
    there: float = 0.0

    @property
    def both(self) -> float:
        """Seconds of CPU on both sides."""
        return self.cpu + self.there


def floor() -> float:
    """The least peak memory that can be told, in MiB: a child starts as a copy of this process (getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Cost:
    """Run ``command`` in ``folder``; a failure ends the whole benchmark, with what the command said."""
    said = folder / "said.txt"
    with open(said, "wb") as output:
        began = time.monotonic()
        child = subprocess.Popen(command, env=_surroundings(environment), cwd=folder,
                                 stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # fmt: skip
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        end = said.read_text("utf-8", "replace")[-2000:]
        raise SystemExit(f"{' '.join(command)}\nended with exit code {child.returncode}:\n{end}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` on top of this process's own; an installed Python program has its bytecode beside it."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, **environment}


def compare(one: Path, other: Path, *, metadata: bool) -> None:
    """End the benchmark if two trees differ; without ``metadata`` only in their files and links."""
    compared = ["-aHAXnc"] if metadata else ["-rlnc", "--prune-empty-dirs", "--exclude=/.git", "--exclude=/.hg"]
    command = ["rsync", *compared, "--delete", "--itemize-changes", f"{one}/", f"{other}/"]
    said = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True).stdout
    if said:
        raise SystemExit(f"what came back as {other} differs from {one}:\n{said[:1000]}")
