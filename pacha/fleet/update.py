"""Bring the index up to date: read each host whose ``db`` has changed since it was last read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pacha.errors import PachaError, UsageError
from pacha.files.dirfd import DIRECTORY, DirectoryFds
from pacha.fleet import collect
from pacha.fleet.index import Index, IndexedHost
from pacha.fleet.index_file import NAME, open_index
from pacha.server import hosts
from pacha.server.check_results import open_folder
from pacha.server.host_account import AccountLimits, load_modules, run_as_owner, scratch_folder
from pacha.system import activity
from pacha.text import enumerated, escape, one_line
from pacha.wire.master import CHANGELOG

_LIMITS = AccountLimits(cpu_seconds=60, seconds=300.0, memory=2 << 30, most=collect.MOST_BYTES)
_NONE = "none"  #: the mark of a host without a db
NEVER = "it has no snapshot yet"  #: the fault of a host that has not pushed yet, which is not reported
_TOO_MUCH = "its db is damaged, or too large for the index: pacha check"
_SHOWN = 5  #: names of hosts in an error


@dataclass(frozen=True, slots=True)
class Fleet:
    """The hosts of a master, with an up-to-date index. ``names``: their names, by their ids in the index."""

    hosts_path: bytes
    index: Index
    hosts: tuple[IndexedHost, ...]
    names: Mapping[int, str]

    @classmethod
    def of(cls, hosts_path: bytes, index: Index) -> Fleet:
        """Return the fleet of all hosts in ``index``."""
        hosts = tuple(index.hosts())
        return cls(hosts_path, index, hosts, {host.id: host.name for host in hosts})

    def choose(self, globs: Sequence[str] = ()) -> list[IndexedHost]:
        """Return the readable hosts that match one of ``globs`` (none: all), by name. Let queries concern only these.

        Raises UsageError for a glob that matches no host.
        """
        for glob in globs:
            if not any(fnmatchcase(host.name, glob) for host in self.hosts):
                raise UsageError(
                    f"No host on this master is called '{escape(glob[:80])}'.",
                    f"there are {enumerated([host.name for host in self.hosts], _SHOWN) or 'none'}",
                    "See: pacha hosts",
                    code="no-host-matches",
                )
        chosen = [host for host in self.matching(globs) if not host.fault]
        self.index.choose(chosen)
        return chosen

    def matching(self, globs: Sequence[str] = ()) -> list[IndexedHost]:
        """Return the hosts that match one of ``globs`` (none: all), by name."""
        return [host for host in self.hosts if not globs or any(fnmatchcase(host.name, glob) for glob in globs)]

    def faults(self, globs: Sequence[str] = ()) -> list[str]:
        """Return a line for each of these hosts that cannot be read, except those without a snapshot."""
        return [f"{host.name}: {host.fault}" for host in self.matching(globs) if host.fault not in ("", NEVER)]


@contextmanager
def up_to_date(hosts_path: bytes) -> Iterator[Fleet]:
    """Open the index of a master and bring it up to date. Raises PachaError, OSError."""
    names = hosts.names(hosts_path)
    with open_index(_place(hosts_path)) as index:
        _update(hosts_path, index, names)
        yield Fleet.of(hosts_path, index)


def _place(hosts_path: bytes) -> str:
    try:
        fd = open_folder(hosts_path)
    except OSError as error:
        raise PachaError(
            f"The index {escape(hosts_path)}/.pacha/{NAME} cannot be used.",
            f"its folder: {error.strerror}",
            "Run this as root.",
            code="index-folder-unusable",
        ) from None
    os.close(fd)
    return os.fsdecode(os.path.join(hosts_path, b".pacha", os.fsencode(NAME)))


def _update(hosts_path: bytes, index: Index, names: Sequence[str]) -> None:
    known = {host.name: host for host in index.hosts()}
    for name in known.keys() - set(names):
        index.remove(name)
    marks = {name: _mark(hosts_path, name) for name in names}
    stale = [name for name in names if name not in known or known[name].mark != marks[name]]
    if stale:
        load_modules()
        activity.begin("reading the hosts that pushed", len(stale))
    for name in stale:
        _read(hosts_path, index, name, marks[name], known.get(name))
        activity.advance(1)
    index.sweep()


def _mark(hosts_path: bytes, host: str) -> str:
    """Return a text that changes with the changelog of a host's ``db``."""
    try:
        with DirectoryFds(hosts_path) as descent:
            folder, name = descent.parent(os.fsencode(f"{host}/{CHANGELOG}"))
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            owner = os.fstat(descent.directory(os.fsencode(host))).st_uid
    except FileNotFoundError:
        return _NONE
    except OSError as error:
        return f"error {error.errno}"
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {owner}"


def _read(hosts_path: bytes, index: Index, host: str, mark: str, known: IndexedHost | None) -> None:
    if mark == _NONE:
        index.spoil(host, mark, NEVER)
        return
    tip, number = (known.tip, known.number) if known else ("", -1)
    try:
        reply = ask(hosts_path, host, lambda folder: collect.collect(hosts_path, host, folder, tip, number), _LIMITS)
        index.replace(host, mark, collect.decode(reply))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError):
        index.spoil(host, mark, _TOO_MUCH)
    except OSError as error:
        index.spoil(host, mark, f"its folder cannot be read: {error.strerror}")
    except FaultError as error:
        index.spoil(host, mark, str(error))


def owner_of(hosts_path: bytes, host: str) -> os.stat_result:
    """Return the status of a host's folder, which has its owner. Raises OSError, also for a link in its place."""
    fd = os.open(os.path.join(hosts_path, os.fsencode(host)), DIRECTORY)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


class FaultError(Exception):
    """A host cannot be read. The text says why, and is safe to print."""


def ask(hosts_path: bytes, host: str, work: Callable[[Path], bytes], limits: AccountLimits) -> bytes:
    """Run ``work``, with a scratch folder, in a process of the account that owns the host's folder. Return its reply.

    Raises FaultError where it reports a fault, OSError, and ValueError for an invalid reply.
    """
    owner = owner_of(hosts_path, host)
    with scratch_folder(owner) as scratch:
        reply, _ = run_as_owner(owner, lambda: _answered(lambda: work(scratch)), limits)
    if reply.startswith(b'{"fault"'):
        raise FaultError(one_line(str(json.loads(reply)["fault"])))
    return reply


def _answered(work: Callable[[], bytes]) -> bytes:
    """In the child: return the reply, or why there is none."""
    try:
        return work()
    except PachaError as error:
        return json.dumps({"fault": error.in_a_line}).encode("ascii")
    except Exception as error:
        return json.dumps({"fault": f"it cannot be read: {type(error).__name__}"}).encode("ascii")
