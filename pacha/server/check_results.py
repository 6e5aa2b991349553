"""The results of checks, which root keeps in ``<hosts_path>/.pacha/``, 0700."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from pacha.fetch.provenance import SignatureState
from pacha.files.dirfd import open_own
from pacha.system.atomic import replace_in
from pacha.text import printable
from pacha.wire import message

FOLDER = b".pacha"
_MOST_BYTES = 65536
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of a check of ``host``: ``code`` is an ExitCode, ``at`` seconds since the epoch.

    ``tip`` and ``made`` are the node and the time of the checked snapshot ("" and 0: none), ``files`` and ``size``
    (bytes) its content; ``purged``: how many of the files have no content any more, because it was purged; ``sealed``:
    how many are sealed, so that nobody here can read them; ``rehearsed``: it was rebuilt into a scratch folder and
    compared; ``faults``: lines, safe to print. ``signature``: the word of a ``SignatureState``, "" where it is not
    known, and ``signer`` the fingerprint of the key ("": none).
    """

    host: str
    at: float
    code: int
    tip: str = ""
    made: float = 0.0
    files: int = 0
    size: int = 0
    purged: int = 0
    sealed: int = 0
    rehearsed: bool = False
    faults: tuple[str, ...] = ()
    seconds: float = 0.0
    signature: str = ""
    signer: str = ""


def write(hosts_path: bytes, checked: CheckResult) -> None:
    """Keep ``checked`` as the last result of its host. Raises OSError."""
    replace_note(hosts_path, f"{checked.host}.json", json.dumps(asdict(checked)).encode("ascii"))


def read(hosts_path: bytes) -> dict[str, CheckResult]:
    """The last result of each host; empty where the folder is unreadable or not ours."""
    results: dict[str, CheckResult] = {}
    try:
        fd = open_own(os.path.join(hosts_path, FOLDER))
    except OSError:
        return results
    try:
        for name in os.listdir(fd):
            try:
                checked = _load(fd, name)
                results[checked.host] = checked
            except (OSError, ValueError, TypeError, KeyError):
                continue
    finally:
        os.close(fd)
    return results


def _load(fd: int, name: str) -> CheckResult:
    if not name.endswith(".json"):
        raise ValueError(name)
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd), encoding="ascii") as stream:
        values = message.decode(stream.read(_MOST_BYTES))
    return CheckResult(
        host=Path(name).stem,
        faults=tuple(printable(str(fault)) for fault in values["faults"]),
        tip=node(values.get("tip", "")),
        rehearsed=bool(values.get("rehearsed", False)),
        code=message.count(values["code"]),
        files=message.count(values.get("files", 0)),
        size=message.count(values.get("size", 0)),
        purged=message.count(values.get("purged", 0)),
        sealed=message.count(values.get("sealed", 0)),
        at=message.seconds(values["at"]),
        made=message.seconds(values.get("made", 0)),
        seconds=message.seconds(values.get("seconds", 0)),
        signature=signature_word(values.get("signature", "")),
        signer=signer(values.get("signer", "")),
    )


def node(value: object) -> str:
    """The node of a snapshot, "" for none. Raises TypeError, ValueError."""
    return message.node(value) if value != "" else ""


def signature_word(value: object) -> str:
    """The word of a SignatureState, "" for none. Raises ValueError."""
    return SignatureState(value).value if value else ""


def signer(value: object) -> str:
    """A fingerprint, "" for none. Raises ValueError."""
    if not isinstance(value, str) or (value and not _FINGERPRINT.fullmatch(value)):
        raise ValueError("no fingerprint")
    return value


def replace_note(hosts_path: bytes, name: str, data: bytes) -> None:
    """Replace the file ``name`` in that folder. Raises OSError."""
    fd = open_folder(hosts_path)
    try:
        replace_in(fd, name, data, durable=False)
    finally:
        os.close(fd)


def open_folder(hosts_path: bytes) -> int:
    """Open the folder of a master's own notes; make it where it is missing. Raises OSError unless it is ours."""
    folder = os.path.join(hosts_path, FOLDER)
    if not os.path.lexists(folder):
        os.mkdir(folder, 0o700)
    return open_own(folder)
