"""The archive of retired hosts, ``<hosts_path>/.retired``: for each a folder of root's, 0700, into which its own moved.

``HOST/folder`` is what was the host's folder, moved and not copied: it is the same to the last bit, needs no room, and
nothing of what its account may have forged in it is read. ``HOST/record.json`` says who retired it, when and why, and
has the lines of its keys. The folder above lets accounts pass (0711), so that ``pacha serve`` can ask for one name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from pacha.errors import DamagedError, PachaError, UnreachableError, UsageError
from pacha.files.dirfd import READ, open_own
from pacha.system.atomic import replace_file
from pacha.text import escape, printable
from pacha.wire import message

_ARCHIVE = b".retired"
_RECORD = "record.json"
_MOST_BYTES = 1 << 20
FOLDER, HOOKS, CHECK = b"folder", b"hooks", b"check.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Who (``by``) retired ``host``, when (seconds since the epoch) and why; the account with its number, '': none.

    ``keys``: the lines that let it in, as text of latin-1.
    """

    host: str
    at: float
    by: str
    why: str
    account: str
    uid: int
    keys: tuple[str, ...] = ()


def path_of(hosts_path: bytes, host: str) -> bytes:
    """The folder of the retired ``host``."""
    return os.path.join(hosts_path, _ARCHIVE, os.fsencode(host))


def is_retired(hosts_path: bytes, host: str) -> bool:
    """Whether ``host`` is retired: it is in the archive, and has no folder among the hosts."""
    is_there = os.path.lexists(os.path.join(hosts_path, os.fsencode(host)))
    return not is_there and os.path.lexists(path_of(hosts_path, host))


def check_not_retired(hosts_path: bytes, host: str) -> None:
    """Raise UsageError for a name that is kept for a retired host."""
    if is_retired(hosts_path, host):
        raise UsageError(
            f"The name '{host}' is that of a retired host.",
            f"{escape(path_of(hosts_path, host))} keeps it",
            f"To have that host back: pacha retire --undo {host}; to give up its history for good: "
            f"rm -r {escape(path_of(hosts_path, host))}",
            code="name-retired",
        )


def away(path: bytes, host: str) -> UnreachableError:
    """The error for a request of a host that is retired; a client knows the first line (``wire.remote_errors``)."""
    return UnreachableError(
        f"{escape(path)} is not on the master.",
        f"'{host}' was retired there",
        f"If it is to push again, or to be rebuilt, run on the master: pacha retire --undo {host}",
        code="host-retired",
    )


@contextmanager
def opened(hosts_path: bytes, host: str, *, make: bool = False) -> Iterator[int]:
    """The descriptor of a retired host's folder, made if need be with ``make``. Raises OSError unless it is ours."""
    with ExitStack() as held:
        for path, mode in ((os.path.join(hosts_path, _ARCHIVE), 0o711), (path_of(hosts_path, host), 0o700)):
            if make and not os.path.lexists(path):
                os.mkdir(path, 0o700)
                os.chmod(path, mode)
            fd = open_own(path)
            held.callback(os.close, fd)
        yield fd


def write(folder: int, record: Record) -> None:
    """Keep the record in the folder of the host, synced. Raises OSError."""
    replace_file(Path(f"/proc/self/fd/{folder}/{_RECORD}"), json.dumps(asdict(record)).encode("ascii"))


def read(folder: int) -> Record | None:
    """The record in the folder of a host, None if there is none. Raises OSError, DamagedError."""
    try:
        with open(os.open(_RECORD, READ, dir_fd=folder), "rb") as stream:
            values = message.decode(stream.read(_MOST_BYTES))
        return Record(
            host=str(values["host"]), at=message.seconds(values["at"]), by=printable(str(values["by"])),
            why=printable(str(values["why"])), account=str(values["account"]), uid=message.count(values["uid"]),
            keys=tuple(map(str, values["keys"])),
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise DamagedError(
            f"The {_RECORD} of a retired host makes no sense.",
            "",
            "Move its folder back by hand: share/doc/pacha/fleet.rst, 'Retiring a host'.",
            code="retired-record-damaged",
        ) from None


def remove(hosts_path: bytes, host: str) -> None:
    """Remove a host's place in the archive, if only the record is left, or what a killed write left of one."""
    with opened(hosts_path, host) as folder:
        names = os.listdir(folder)
        if all(name.lstrip(".").startswith(_RECORD) for name in names):
            for name in names:
                os.unlink(name, dir_fd=folder)
    os.rmdir(path_of(hosts_path, host))


def every(hosts_path: bytes) -> Iterator[tuple[str, Record | None]]:
    """The retired hosts by name, with their records where they can be read. Raises PachaError."""
    try:
        names = sorted(os.listdir(os.path.join(hosts_path, _ARCHIVE)))
    except FileNotFoundError:
        return
    except OSError as error:
        raise PachaError(
            "The retired hosts cannot be read.", error.strerror or "", "Run this as root.", code="retired-unreadable"
        ) from None
    for name in map(os.fsdecode, names):
        if is_retired(hosts_path, name):
            with opened(hosts_path, name) as folder:
                yield name, read(folder)
