"""Check a host's key, make its line for authorized_keys, and install that line."""

from __future__ import annotations

import base64
import binascii
import os
import pwd
import re
import shlex
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pacha.errors import PachaError, UsageError
from pacha.server import host_keys, keys_file
from pacha.system import child
from pacha.system.executable import program
from pacha.text import escape

#: The kinds of keys (ssh-keygen(1), -t), and how many fields follow the kind in the blob (RFC 4253, 6.6; RFC 5656,
#: 3.1; RFC 8709, 4; PROTOCOL.u2f of OpenSSH).
_KINDS = {
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
_LONGEST = 16 * 1024
_PATIENCE = 30.0  #: seconds for Pacha to tell its version
_PATH_OF_SSHD = "/usr/local/bin:/usr/bin:/bin"
_AGO = {"h": 3600, "d": 86400, "w": 7 * 86400}
_DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key in OpenSSH's format: its kind, its bytes in base64, its comment ('': none)."""

    kind: str
    blob: str
    comment: str

    @classmethod
    def read(cls, text: bytes) -> PublicKey:
        """Read the content of a file with exactly one key. Raises UsageError for anything else."""
        if b"PRIVATE KEY" in text:
            raise UsageError(
                "That is the private half of a key.", "it stays on the host", "Give the .pub file.", code="private-key"
            )
        try:
            lines = text.decode("utf-8").splitlines() if len(text) <= _LONGEST else []
            [line] = [line for line in lines if line.strip()]
            kind, blob, *comment = line.split(None, 2)
        except ValueError:
            raise _no_key("it has to be one line of plain text: kind, key, comment") from None
        if kind not in _KINDS:
            raise _no_key(f"it begins with {escape(kind[:40].encode())}, not with a kind of key such as ssh-ed25519")
        if not _is_key(kind, blob):
            raise _no_key("what follows its kind is damaged")
        remark = "".join(comment).strip()
        return cls(kind, blob, remark if remark.isprintable() else "")


def _no_key(why: str) -> UsageError:
    return UsageError(
        "That is not a public key.", why, "Give the .pub file that ssh-keygen made.", code="not-a-public-key"
    )


def _is_key(kind: str, blob: str) -> bool:
    """Whether ``blob`` has exactly the fields of a key of its kind, and the one base64 that sshd takes for them."""
    try:
        rest = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return False
    if base64.b64encode(rest).decode("ascii") != blob:
        return False
    fields = []
    while rest:
        size = int.from_bytes(rest[:4], "big")
        fields.append(rest[4 : 4 + size])
        if len(rest) < 4 + size or size == 0:
            return False
        rest = rest[4 + size :]
    return len(fields) == 1 + _KINDS[kind] and fields[0] == kind.encode()


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What a key may do, for one host below ``hosts_path``. ``expires``: seconds since the epoch, None: never."""

    host: str
    hosts_path: bytes
    rebuild_only: bool = False
    push_only: bool = False
    expires: float | None = None

    def line(self, key: PublicKey) -> str:
        """The line of authorized_keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT"). Raises UsageError."""
        # by the path of this Pacha where sshd would not find it by its name
        own = "pacha" if shutil.which("pacha", path=_PATH_OF_SSHD) else program()
        words = [own, "serve", self.host, "--hosts-path", os.fsdecode(self.hosts_path)]
        words += ["--rebuild-only"] * self.rebuild_only + ["--push-only"] * self.push_only
        command = shlex.join(words)
        if not command.isprintable():
            raise UsageError(
                f"{escape(self.hosts_path)} cannot stand in authorized_keys.",
                "",
                "Choose a pacha.hosts.path without quotes and control characters.",
                code="hosts-path-unusable",
            )
        options = ["restrict", 'command="{}"'.format(command.replace('"', r"\""))]
        if self.expires is not None:
            options.append(time.strftime('expiry-time="%Y%m%d%H%M%S"', time.localtime(self.expires)))
        return " ".join([",".join(options), key.kind, key.blob, key.comment or self.host])


def can_run(user: pwd.struct_passwd) -> bool:
    """Whether ``user`` can run the Pacha in a key's line, which is tried: below /root, say, it cannot."""
    place = shutil.which("pacha", path=_PATH_OF_SSHD) or program()
    return bool(child.run_as(user, lambda: _runs(place)))


def _runs(place: str) -> bool:
    """Whether it runs in this process's account: Python may load code of that one, which gets nothing of root's.

    So no terminal, in which it could type, and none of its output is kept.
    """
    variables, none = {"PATH": _PATH_OF_SSHD}, subprocess.DEVNULL
    try:
        done = subprocess.run(
            [place, "--version"], env=variables, cwd="/", stdin=none, stdout=none, stderr=none,
            start_new_session=True, timeout=_PATIENCE,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def moment(when: str, now: float) -> float:
    """The time for ``when``: 12h, 3d, 2w from ``now`` on, or a local date with or without a time of day.

    Raises UsageError for an invalid or a past time.
    """
    at: float | None = None
    if match := re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", when):
        at = now + int(match[1]) * _AGO[match[2]]
    for form in _DATES:
        try:
            at = time.mktime(time.strptime(when, form))
        except (ValueError, OverflowError):
            continue
    if at is None:
        hint = "Write 12h, 3d, 2w, 2027-01-31 or '2027-01-31 18:00'."
        raise UsageError(f"'{escape(os.fsencode(when[:40]))}' is not a time.", "", hint, code="invalid-expiry")
    if at <= now:
        raise UsageError(
            f"'{when}' is past.", "the key would never be let in", "Name a later moment.", code="expiry-past"
        )
    return at


def install(user: pwd.struct_passwd, grant: KeyGrant, key: PublicKey, *, replace: bool = False) -> str:
    """Put the line into ``user``'s ~/.ssh/authorized_keys; returns 'added', 'replaced' or 'there'.

    Replaces a line that Pacha made for this key and host, with ``replace`` one that it made for any host. Raises
    PachaError, also if the key is authorised for something else: sshd uses the first line with a key.
    """
    line, host = grant.line(key), None if replace else grant.host
    return str(child.run_as(user, lambda: _install(os.fsencode(user.pw_dir), line, host, key)))


def _install(home: bytes, line: str, host: str | None, key: PublicKey) -> str:
    with keys_file.opened(home, make=True) as folder:
        lines = keys_file.read(folder)
        outcome = _join(lines, _places(lines), line, host, key)
        if outcome != "there":
            keys_file.write(folder, lines)
    return outcome


#: A grant, and the key that gets it.
Granted: TypeAlias = "tuple[KeyGrant, PublicKey]"
#: The numbers of the lines that have a word in them.
_Places: TypeAlias = "dict[bytes, list[int]]"


def faults_of_all(user: pwd.struct_passwd, grants: Sequence[Granted], *, replace: bool = False) -> dict[str, str]:
    """Why some of these lines cannot be put into ``user``'s authorized_keys, by host. Raises PachaError."""
    faults: dict[str, str] = child.run_as(user, lambda: _faults(os.fsencode(user.pw_dir), grants, replace))
    return faults


def _faults(home: bytes, grants: Sequence[Granted], replace: bool) -> dict[str, str]:
    faults = dict[str, str]()
    with keys_file.opened(home, make=True) as folder:
        lines = keys_file.read(folder)
    places = _places(lines)
    for grant, key in grants:
        try:
            _join(lines, places, grant.line(key), None if replace else grant.host, key)
        except PachaError as error:
            faults[grant.host] = error.in_a_line
    return faults


def install_all(user: pwd.struct_passwd, grants: Sequence[Granted], *, replace: bool = False) -> list[str]:
    """The same as ``install`` for each of ``grants``, with the file written once. Raises PachaError."""
    return [
        str(outcome) for outcome in child.run_as(user, lambda: _install_all(os.fsencode(user.pw_dir), grants, replace))
    ]


def _install_all(home: bytes, grants: Sequence[Granted], replace: bool) -> list[str]:
    with keys_file.opened(home, make=True) as folder:
        lines = keys_file.read(folder)
        places = _places(lines)
        outcomes = [
            _join(lines, places, grant.line(key), None if replace else grant.host, key) for grant, key in grants
        ]
        if set(outcomes) - {"there"}:
            keys_file.write(folder, lines)
    return outcomes


def _places(lines: Sequence[bytes]) -> _Places:
    """Where each word is in those ``lines`` that count: with thousands of keys, each is found at once."""
    places: _Places = defaultdict(list)
    for number, line in enumerate(lines):
        if not line.lstrip().startswith(b"#"):
            for word in set(line.split()):
                places[word].append(number)
    return places


def _join(lines: list[bytes], places: _Places, line: str, host: str | None, key: PublicKey) -> str:
    """Add ``line`` to ``lines``, or replace the line that Pacha made for this key and host (None: any) before."""
    for number in places.get(key.blob.encode(), ()):
        present = lines[number]
        if present.rstrip(b"\r\n") == line.encode():
            return "there"
        own_host = host_keys.host_of(present)
        if own_host is not None and host not in (None, own_host):
            raise _of_another_host(escape(os.fsencode(own_host)), host)
        if own_host is None:
            why = f"line {number + 1} of authorized_keys lets it in for something else, and sshd obeys the first"
            raise PachaError(
                "This key is authorised already.",
                why,
                "Remove that line, or make another key.",
                code="key-authorized-already",
            )
        lines[number] = line.encode() + b"\n"
        return "replaced"
    keys_file.append(lines, line.encode())
    return "added"


def _of_another_host(other: str, host: str) -> PachaError:
    return PachaError(
        f"This key is let in for '{other}' already.",
        f"it cannot be for '{host}', too: sshd obeys the first line with a key",
        f"If it is for '{host}' from now on, and no longer for '{other}': run this again with --replace; "
        "if both hosts live: make another key on one of them",
        code="key-serves-another-host",
    )
