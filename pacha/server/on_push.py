"""Run root's programs in ``<hosts_path>/.hooks/on-push.d/`` on the master when a host has pushed something new.

They run in a process of their own, as the account that the host logs in as, after the push was accepted: the host
waits for none, and none can make its push fail. They are told the host, the snapshot and the paths that it touched,
never any content. What goes wrong with one is in the system's log.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import syslog
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from pathlib import Path

from pacha.errors import DamagedError, PachaError
from pacha.files.dirfd import DIRECTORY
from pacha.files.names import DATABASE
from pacha.server.host_directory import HostDirectory
from pacha.store import change_list, hg
from pacha.store.revision import KNOWN_REQUIREMENTS
from pacha.system import child, programs
from pacha.system.memory_limit import limit_memory, serving
from pacha.text import escape, one_line, printable
from pacha.wire import heartbeat, hook_files

SECONDS = 60.0  #: that each program may take
_MOST_PATHS = 100_000
_MOST_SNAPSHOTS = 200  #: whose change lists are read
_MOST_BYTES = 16 << 20  #: of those change lists
_MOST_PROGRAMS = 50
_LOCK = fcntl.LOCK_EX
#: A letter, and those after it that say less of the same path: what was added and then changed was added.
_LESS = {"A": "Mm", "M": "m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedPaths:
    """What a push brought: its newest ``snapshot``, and letters and names of the paths that it touched, printable.

    ``complete``: these are all of them.
    """

    host: str
    snapshot: str
    paths: tuple[tuple[str, str], ...]
    complete: bool

    def encode(self) -> bytes:
        """What a program reads on its standard input: one object of JSON."""
        paths = [{"change": letter, "path": name} for letter, name in self.paths]
        values = {"host": self.host, "snapshot": self.snapshot, "complete": self.complete, "paths": paths}
        return json.dumps(values).encode("ascii") + b"\n"


def tip_of(folder: HostDirectory) -> str:
    """The snapshot that the heartbeat of a host names, "" for none."""
    try:
        return heartbeat.parse(folder.last_push() or b"").tip
    except (ValueError, PachaError):
        return ""


def begin(folder: HostDirectory, before: str, tip: str) -> None:
    """Run the programs for what came after the snapshot ``before`` ("": none), in a process that nobody waits for."""
    try:
        with _waiting(folder) as place:
            if place is not None:
                child.run_alone(lambda: _run(folder, place, before, tip))
    except (OSError, PachaError) as error:
        _log(folder.host, f"the programs were not run: {one_line(str(error))}")


@contextmanager
def _waiting(folder: HostDirectory) -> Iterator[int | None]:
    """Take the place of the one process that may wait for its turn, a descriptor; None if another one has it.

    So there are two processes at most, however often a key says that it has pushed. When its turn comes, the one that
    waits also reports what was pushed after it began. The place is taken before the process begins: otherwise a later
    one could be faster, and would not report the earlier push. The locks are of flock(2), on the folder and on its
    ``db``.
    """
    with ExitStack() as held:
        place = _opened(os.path.join(folder.path, os.fsencode(DATABASE)), held)
        try:
            fcntl.flock(place, _LOCK | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield place


def _run(folder: HostDirectory, place: int, before: str, tip: str) -> None:
    """In the new process: run the programs once no other process runs this host's, and free the ``place`` then."""
    try:
        with ExitStack() as held:
            fcntl.flock(_opened(folder.path, held), _LOCK)
            os.close(place)
            hg.enable_lazy_imports()
            run(folder, before, tip_of(folder), tip)
    except Exception as error:
        _log(folder.host, f"the programs were not run: {type(error).__name__}: {one_line(str(error))}")


def _opened(path: bytes, held: ExitStack) -> int:
    fd = os.open(path, DIRECTORY)
    held.callback(os.close, fd)
    return fd


def run(folder: HostDirectory, before: str, *tips: str) -> None:
    """Run the programs, one after the other, by name, for the first of ``tips`` that is there.

    Raises PachaError, OSError, LookupError.
    """
    found = list(_programs(folder.hosts_path, folder.host))
    if not found:
        return
    with limit_memory(serving()):
        touched = _touched(folder, before, tips)
    variables = {**programs.environment(), "PACHA_HOST": folder.host, "PACHA_SNAPSHOT": touched.snapshot}
    with tempfile.TemporaryDirectory(prefix="pacha-on-push-") as scratch:
        for program in found:
            with tempfile.TemporaryFile() as told:
                told.write(touched.encode())
                told.seek(0)
                ended = programs.run([program], variables, SECONDS, Path(scratch), stdin=told)
            if ended.failure:
                said = one_line(ended.output.rstrip().rpartition(b"\n")[2])
                _log(folder.host, f"{escape(program)} failed: {': '.join(filter(None, [ended.failure, said]))}")


def _programs(hosts_path: bytes, host: str) -> Iterator[str]:
    """The programs that root alone may change, by name; one that is not is logged."""
    folder = os.path.join(hosts_path, hook_files.ON_PUSH)
    above = [os.stat(place) for place in (hosts_path, os.path.dirname(folder), folder)]
    for name in sorted(os.listdir(folder))[:_MOST_PROGRAMS]:
        path = os.path.join(folder, name)
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            continue
        owner = hook_files.owner_of(*above, status, trusted=(0,))
        why = programs.passed_over(name, status.st_mode)
        if owner == hook_files.ROOT and not why:
            yield os.fsdecode(path)
        elif owner != hook_files.ROOT:
            _log(host, f"{escape(path)} is not run: it is {owner}")


def _touched(folder: HostDirectory, before: str, tips: Sequence[str]) -> PushedPaths:
    """What the snapshots after ``before`` up to one of ``tips`` touched. Raises LookupError where none is there."""
    repository = hg.Repository.open(folder.repository(DATABASE, KNOWN_REQUIREMENTS), heal=False)
    nodes = list(repository.revisions())
    tip = next((tip for tip in tips if tip in nodes), "")
    if not tip:
        raise LookupError(f"there is no snapshot {' or '.join(tip[:12] for tip in tips)}")
    newer = list(takewhile(lambda node: node != before, nodes[nodes.index(tip) :]))
    texts = list(_change_lists(repository, newer[:_MOST_SNAPSHOTS]))
    paths = dict[str, str]()
    for letter, escaped in chain.from_iterable(map(change_list.touched, reversed(texts))):
        name = printable(escaped)
        if not (name in paths and letter in _LESS.get(paths[name], "")):
            paths[name] = letter
    return PushedPaths(
        host=folder.host,
        snapshot=tip,
        paths=tuple((letter, name) for name, letter in islice(sorted(paths.items()), _MOST_PATHS)),
        complete=len(newer) == len(texts) and len(paths) <= _MOST_PATHS,
    )


def _change_lists(repository: hg.Repository, nodes: Sequence[str]) -> Iterator[bytes]:
    """The change lists of ``nodes``, the newest first, as far as they have room; whoever has a key may forge them."""
    room = _MOST_BYTES
    for node in nodes:
        try:
            data = repository.reader(node)(change_list.FILE)
        except DamagedError:
            data = b""  # only the machine changed
        room -= len(data)
        if room < 0:
            return
        yield data


def _log(host: str, text: str) -> None:
    syslog.openlog("pacha", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_WARNING, f"{host}: on-push: {text}")
