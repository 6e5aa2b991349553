"""Find, take out, put back and rename the lines of an account's authorized_keys that Pacha made for one host."""

from __future__ import annotations

import os
import pwd
import re
import shlex
from collections.abc import Callable, Sequence

from pacha.errors import PachaError
from pacha.server import keys_file
from pacha.system import child
from pacha.system.presence import is_absent

#: The options of such a line as ``authorized_keys.KeyGrant`` writes them (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
_COMMAND = re.compile(rb'(restrict,command=")((?:[^"\\\r\n]|\\.)*)(")')
_SERVE = 1  #: the word after the program; the host, --hosts-path and the path follow
_HOST, _PATH = _SERVE + 1, _SERVE + 3


def of_account(user: pwd.struct_passwd, host: str, hosts_path: bytes) -> tuple[list[bytes], int]:
    """The lines (without their ends) that let a key in for ``host``, and how many other keys are not Pacha's.

    Raises PachaError for a file that cannot be read, or that is a link.
    """
    home = os.fsencode(user.pw_dir)

    def look() -> list[object]:
        lines = _read(home)
        ours = [line.rstrip(b"\r\n").decode("latin-1") for line in lines if _serves(line, host, hosts_path)]
        return [ours, sum(1 for line in lines if _words(line) is None and _is_key(line))]

    ours, others = child.run_as(user, look)
    return [str(line).encode("latin-1") for line in ours], int(others)


def host_of(line: bytes) -> str | None:
    """The host for which a ``line`` that Pacha made lets a key in, None for any other line."""
    words = _words(line)
    return words[_HOST] if words and len(words) > _PATH else None


def take_out(user: pwd.struct_passwd, host: str, hosts_path: bytes) -> None:
    """Remove the lines of ``host``; every other byte stays. Raises PachaError."""
    _change(user, lambda lines: [line for line in lines if not _serves(line, host, hosts_path)])


def put_back(user: pwd.struct_passwd, wanted: Sequence[bytes]) -> None:
    """Add the ``wanted`` lines that are not there. Raises PachaError, see ``check_free``."""

    def joined(lines: list[bytes]) -> list[bytes]:
        for line in _missing(lines, wanted):
            keys_file.append(lines, line)
        return lines

    _change(user, joined)


def check_free(user: pwd.struct_passwd, wanted: Sequence[bytes]) -> None:
    """Raise PachaError if a key of the ``wanted`` lines is authorised for something else by now."""
    home = os.fsencode(user.pw_dir)
    child.run_as(user, lambda: len(_missing(_read(home), wanted)))


def rename(user: pwd.struct_passwd, old: str, new: str, hosts_path: bytes) -> None:
    """Make the lines of ``old`` those of ``new``; every other byte stays. Raises PachaError."""
    _change(
        user, lambda lines: [_renamed(line, new) if _serves(line, old, hosts_path) else line for line in lines]
    )  # fmt: skip


def _change(user: pwd.struct_passwd, change: Callable[[list[bytes]], list[bytes]]) -> None:
    home = os.fsencode(user.pw_dir)

    def carry_out() -> None:
        if is_absent(os.path.join(home, b".ssh")) and not change([]):
            return
        with keys_file.opened(home, make=True) as folder:
            before = keys_file.read(folder)
            after = change(list(before))
            if after != before:
                keys_file.write(folder, after)

    child.run_as(user, carry_out)


def _read(home: bytes) -> list[bytes]:
    """The lines of the file; none where there is no home or no ~/.ssh."""
    if is_absent(os.path.join(home, b".ssh")):
        return []
    with keys_file.opened(home) as folder:
        return keys_file.read(folder)


def _is_key(line: bytes) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith(b"#")


def _words(line: bytes) -> list[str] | None:
    """The words of the forced command of a line that Pacha made, None for any other line."""
    match = _COMMAND.match(line)
    try:
        words = shlex.split(os.fsdecode(match[2].replace(rb"\"", b'"'))) if match else []
    except ValueError:
        return None
    return words if words[_SERVE:_HOST] == ["serve"] and words[_HOST + 1 : _PATH] == ["--hosts-path"] else None


def _serves(line: bytes, host: str, hosts_path: bytes) -> bool:
    words = _words(line)
    return words is not None and words[_HOST] == host and words[_PATH : _PATH + 1] == [os.fsdecode(hosts_path)]


def _renamed(line: bytes, new: str) -> bytes:
    words = _words(line) or []
    words[_HOST] = new
    command = os.fsencode(shlex.join(words).replace('"', r"\""))
    return _COMMAND.sub(lambda match: match[1] + command + match[3], line, count=1)


def _missing(lines: Sequence[bytes], wanted: Sequence[bytes]) -> list[bytes]:
    """The ``wanted`` lines that are missing. Raises PachaError if the key of one is authorised for something else."""
    present = [line.rstrip(b"\r\n") for line in lines if _is_key(line)]
    missing = [line for line in wanted if line not in present]
    keys = {_blob(line) for line in missing}
    for number, line in enumerate(present):
        if keys & set(line.split()):
            raise PachaError(
                "The host's key is let in for something else now.",
                f"key {number + 1} of authorized_keys is the same, and sshd obeys the first",
                "Remove that line, then run this again.",
                code="key-in-use-again",
            )
    return missing


def _blob(line: bytes) -> bytes:
    """The key in a line of ours, in base64: the word after the options and the kind."""
    match = _COMMAND.match(line)
    assert match is not None
    return line[match.end() :].partition(b" ")[2].split()[1]
