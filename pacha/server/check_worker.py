"""Check a host's folder as the account that owns it: what a rebuild would find and, in a rehearsal, restore."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any

from pacha.config.keys import STANDALONE
from pacha.config.signers import Signers
from pacha.errors import DamagedError, ExitCode, PachaError
from pacha.fetch import provenance
from pacha.fetch.fetch import fetch
from pacha.fetch.fetched import Fetched
from pacha.fetch.provenance import SignatureState
from pacha.fetch.snapshot import FetchedDatabase
from pacha.fetch.staging import Staging
from pacha.files.dirfd import DIRECTORY, DirectoryFds
from pacha.files.names import DATABASE
from pacha.host.context import Context
from pacha.host.masters import connect
from pacha.machine import facts
from pacha.machine.packages import package_list
from pacha.server import hosts, rehearsal, repository_tree
from pacha.store.companions import MACHINE, PACKAGES
from pacha.system import activity
from pacha.text import escape
from pacha.wire.heartbeat import Heartbeat
from pacha.wire.master import NoHost

#: Errors of this machine. Any other error is a fault of the host's folder.
_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_TARGET = "target"  #: the rehearsal's target below the scratch folder
_DECODERS: Mapping[str, Callable[[bytes], object]] = {MACHINE: facts.decode, PACKAGES: package_list.decode}
_UNTOLD = "whether db was set back cannot be told"


def inspect(
    context: Context, host: str, rehearse: bool, scratch: Path, signers: Signers | None = None
) -> dict[str, Any]:
    """Check what a rebuild of ``host`` would find, and with ``rehearse`` also what it restores. Returns a ``result``.

    ``signers``: who may have signed it; None if it need not be signed.
    """
    tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
    last_push, heartbeat, concern = _heartbeat(context, host)
    try:
        outcome = _fetched(context, host, rehearse, scratch, heartbeat, signers)
    except NoHost as error:
        if last_push is _LastPush.MISSING:
            return result(ExitCode.CONCERNS, hosts.NEVER_PUSHED)
        return result(ExitCode.DAMAGED, error.in_a_line)
    except PachaError as error:
        code = ExitCode.DAMAGED if isinstance(error, DamagedError) else ExitCode.FAILED
        return result(code, error.in_a_line)
    except OSError as error:
        return result(ExitCode.FAILED if error.errno in _OURS else ExitCode.DAMAGED, unseen(error))
    if concern and not outcome["code"]:
        outcome["code"] = int(ExitCode.CONCERNS)
    return {**outcome, "faults": [*outcome["faults"], *filter(None, [concern])]}


def result(code: int, *faults: str) -> dict[str, Any]:
    """The result of a check as JSON values: ``code`` (ExitCode), ``faults`` (lines); the rest as in ``CheckResult``."""
    empty = {"tip": "", "made": 0.0, "files": 0, "size": 0, "rehearsed": False, "purged": 0, "sealed": 0}
    empty |= {"signature": "", "signer": ""}
    return {**empty, "code": int(code), "faults": list(faults)}


def unseen(error: Exception) -> str:
    """Why a host could not be checked, in a line."""
    path = getattr(error, "filename", None)
    why = getattr(error, "strerror", "") or error or type(error).__name__
    return f"could not be looked at: {why}" + (f": {escape(path)}" if isinstance(path, str | bytes) else "")


def _fetched(
    context: Context, host: str, rehearse: bool, scratch: Path, heartbeat: Heartbeat | None, signers: Signers | None
) -> dict[str, Any]:
    staging = Staging.make(context, host, connect(context, STANDALONE), lambda received: activity.advance(1))
    fetched = fetch(staging)
    snapshot, database = fetched.snapshot, staging.repository(DATABASE)
    _check_own(context, host, [DATABASE, *(entry.repository for entry in snapshot.live if entry.node is not None)])
    faults: list[str] = []
    if heartbeat and not database.has(heartbeat.tip):
        faults.append(f"the snapshot {heartbeat.tip[:12]}, which the host left last, is not there any more")
    signed, fault = _signature(staging, fetched, heartbeat, signers)
    faults += fault
    staging.remove()
    faults += _unreadable_texts(fetched)
    if rehearse:
        faults += rehearsal.rehearse(context, host, snapshot, scratch / _TARGET)
    sizes = [entry.size for entry in snapshot.entries.values() if entry.kind.value == "f"]
    numbers = {"tip": fetched.tip, "made": fetched.note.at, "files": len(sizes), "size": sum(sizes)}
    numbers["purged"] = len(fetched.purged)
    numbers["sealed"] = sum(entry.sealed is not None for entry in snapshot.entries.values())
    return {
        **result(ExitCode.DAMAGED if faults else ExitCode.DONE, *faults),
        **numbers,
        **signed,
        "rehearsed": rehearse,
    }


def _signature(
    staging: Staging, fetched: Fetched, heartbeat: Heartbeat | None, signers: Signers | None
) -> tuple[dict[str, str], list[str]]:
    """Whether the snapshot and the heartbeat are signed, as in ``CheckResult``, and the faults of that."""
    source = FetchedDatabase(staging.path(DATABASE), "", staging.host)
    claim = staging.claim(source, fetched.tip, fetched.note)
    try:
        state, fault = provenance.state_of(claim, signers)
        word = heartbeat.signed if heartbeat else None
        if word and not fault:
            provenance.check_word(word, staging.host, signers)
    except DamagedError as error:
        state, fault = SignatureState.BAD, f"its last-push: {error.in_a_line}"
    except PachaError as error:  # there is no ssh-keygen
        return {"signature": "", "signer": ""}, [error.in_a_line] if signers else []
    signer = provenance.claimed(claim).key if state is SignatureState.SIGNED else ""
    return {"signature": state.value, "signer": signer}, [fault] if fault else []


def _unreadable_texts(fetched: Fetched) -> Iterator[str]:
    """A fault for each text beside pacha.db that arrived as it was pushed, but that no Pacha can have written."""
    for name, decode in _DECODERS.items():
        try:
            if (text := fetched.companions.get(name)) is not None:
                decode(text)
        except DamagedError as error:
            yield error.in_a_line


def _check_own(context: Context, host: str, names: Iterable[str]) -> None:
    """Raise DamagedError for a repository that leads out of the host's folder."""
    with DirectoryFds(os.path.join(context.config.hosts_path, os.fsencode(host))) as descent:
        for name in names:
            repository_tree.check_own(descent, name)


class _LastPush(Enum):
    """Whether a host's last-push could be read."""

    READ = auto()
    MISSING = auto()
    UNREADABLE = auto()


def _heartbeat(context: Context, host: str) -> tuple[_LastPush, Heartbeat | None, str]:
    """The host's heartbeat, and a fault of it, "" for none."""
    fd = os.open(os.path.join(context.config.hosts_path, os.fsencode(host)), DIRECTORY)
    try:
        heartbeat = hosts.read_heartbeat(fd)
        if heartbeat is None:
            return _LastPush.MISSING, None, f"it has no last-push: {_UNTOLD}"
        return _LastPush.READ, heartbeat, hosts.frequency_note(heartbeat)
    except ValueError:
        return _LastPush.UNREADABLE, None, f"its last-push makes no sense: {_UNTOLD}"
    except OSError as error:
        return _LastPush.UNREADABLE, None, f"its last-push cannot be read ({error.strerror}): {_UNTOLD}"
    finally:
        os.close(fd)
