"""Pacha's command line, run so that the CPU time of its main thread is told apart by parts.

``PARTS=STEP:FILE python probe.py push`` does what ``pacha push`` does and leaves in FILE, as JSON, the seconds of CPU
of each part of STEP, of ``threads`` (beside the main one) and of ``processes`` (that were waited for). What is called
by a part and is a part itself counts there alone; what is in none is ``REST``. Without PARTS it is just Pacha.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import resource
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

FIRST, IDLE, REBUILD = "first push", "idle push", "rebuild"
PYTHON, IMPORTS, REST = "Python itself", "importing click and Pacha", "the rest"
#: For each step: the parts, and the functions that do them, as module:name.
PARTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    FIRST: {
        "committing: file logs": ["pacha.store.hg.new_store:NewStore.add_file"],
        "committing: reading the watched files": ["pacha.files.content:read"],
        "committing: manifest, list of names, the rest": ["pacha.push.commit:commit"],
        "scanning": ["pacha.files.scan:scan"],
        "pacha.db and the cache": [
            "pacha.store.database:read_lazily", "pacha.store.scan_cache:read", "pacha.store.scan_cache:write",
            "pacha.push.database:commit_database",
        ],
        "what this machine is, and its packages": [
            "pacha.push.scan:describe_machine", "pacha.push.snapshot:_with_packages",
        ],
        "sending db, heartbeat": ["pacha.push.deliver:deliver"],
    },
    IDLE: {
        "reading pacha.db and the cache": ["pacha.store.database:read_lazily", "pacha.store.scan_cache:read"],
        "scanning": ["pacha.files.scan:scan"],
        "comparing with the last snapshot": [
            "pacha.push.snapshot:build_snapshot", "pacha.store.snapshot:compare", "pacha.push.content:commit_content",
            "pacha.push.database:commit_database",
        ],
        "writing the cache": ["pacha.store.scan_cache:write"],
        "asking the master, heartbeat": [
            "pacha.push.connect:attach", "pacha.push.deliver:deliver",
        ],
    },
    REBUILD: {
        "having each file read and checked, by other processes": ["pacha.fetch.spool:Spool.add"],
        "writing, syncing, renaming, the permission check": ["pacha.restore.apply:apply"],
        "fetching (scp)": ["pacha.fetch.prefetch:Prefetcher.wait_for"],
        "reading and checking pacha.db": ["pacha.fetch.staging:Staging._fetch_database"],
        "plan, accounts": ["pacha.rebuild.planning:plan_rebuild"],
        "report": ["pacha.rebuild.report:write"],
        "making the history this machine's own": ["pacha.rebuild.adoption:adopt"],
        "connecting": ["pacha.host.masters:connect"],
    },
}  # fmt: skip


class Clock:
    """Seconds of CPU of this thread by part; others' calls are let through uncounted."""

    def __init__(self) -> None:
        self.spent = defaultdict[str, float](float)
        self._thread = threading.get_ident()
        self._parts, self._last = [PYTHON], 0.0

    def turn(self) -> None:
        """What was used since the last turn goes to the part that is at work."""
        now = time.thread_time()
        self.spent[self._parts[-1]] += now - self._last
        self._last = now

    def begin(self, part: str) -> None:
        """From now on ``part`` is at work."""
        self.turn()
        self._parts.append(part)

    def end(self) -> None:
        """The part that was at work before goes on."""
        self.turn()
        self._parts.pop()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, counted as ``part``."""

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:
                return function(*args, **named)
            self.begin(part)
            try:
                return function(*args, **named)
            finally:
                self.end()

        return call


def found(target: str) -> tuple[Any, str, Any]:
    """Where a function of ``PARTS`` lies, its name there, and itself. Raises AttributeError where there is none."""
    module, _, words = target.partition(":")
    place: Any = importlib.import_module(module)
    *classes, name = words.split(".")
    for one in classes:
        place = getattr(place, one)
    return place, name, getattr(place, name)


def wrap(clock: Clock, part: str, target: str) -> None:
    """Count ``target`` as ``part``, under every name that a module of Pacha has for it."""
    place, name, function = found(target)
    timed = clock.timed(part, function)
    setattr(place, name, timed)
    for module in [module for key, module in sys.modules.items() if key.startswith("pacha.")]:
        for other in [key for key, value in vars(module).items() if value is function]:
            setattr(module, other, timed)


def main() -> None:
    """Run it."""
    step, _, file = os.environ.pop("PARTS", "").partition(":")
    clock = Clock()
    clock.begin(IMPORTS)
    from pacha import __main__ as pacha

    if step:
        _prepare(clock, step)
        clock.begin(REST)
        end = pacha._leave  # the last that a run does: nothing comes back from it

        def leave(code: int) -> None:
            clock.turn()
            _write(clock, file)
            end(code)

        pacha._leave = leave  # type: ignore[assignment]
    pacha.main()


def _prepare(clock: Clock, step: str) -> None:
    """Import what ``step`` takes, as Pacha would a little later, and wrap its parts."""
    importlib.import_module("pacha.cli")
    for part, targets in PARTS[step].items():
        for target in targets:
            wrap(clock, part, target)


def _write(clock: Clock, file: str) -> None:
    main_thread, children = sum(clock.spent.values()), resource.getrusage(resource.RUSAGE_CHILDREN)
    beside = {"threads": time.process_time() - main_thread, "processes": children.ru_utime + children.ru_stime}
    with open(file, "w", encoding="utf-8") as stream:
        json.dump({"parts": clock.spent, **beside}, stream)


if __name__ == "__main__":
    main()
