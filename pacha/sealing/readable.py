"""Find secrets that are kept in the clear: account passwords and private keys, by their names and first bytes.

It reads a limited number of files and bytes: it is a remark beside other things, and must be quick.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from pacha.files import paths
from pacha.text import escape

_PASSWORDS = frozenset([b"/etc/shadow", b"/etc/gshadow", b"/etc/shadow-", b"/etc/gshadow-", b"/etc/security/opasswd"])
#: Names of files that are secret whatever is in them.
SECRET_NAME = re.compile(rb"(?i)(?:.*\.(?:p12|pfx|jks|keytab)|secring\.gpg)\Z", re.DOTALL)
#: What a file with a private key has in it, or a part of such a file.
PRIVATE_KEY = re.compile(
    rb"PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File|AGE-SECRET-KEY-|^PrivateKey[ \t]*=[ \t]*\S", re.MULTILINE
)
#: Names of files that may be private keys, and folders in which any file may be one.
_LIKELY = re.compile(rb"(?:.*(?:\.key|\.pem|_key)|id_[a-z0-9]+|identity|.*-key)\Z", re.DOTALL)
_FOLDERS = frozenset(
    [b".ssh", b"private", b"ssl", b"tls", b"pki", b"keys", b"wireguard", b"letsencrypt", b"openvpn", b"ipsec.d"]
)
_BYTES = 1 << 14  #: of a file that are looked at
_MOST_READ = 2000  #: files
_MOST_WALKED = 100_000  #: names below a path
_MOST_PATTERNS = 12


@dataclass(frozen=True, slots=True)
class ReadableSecrets:
    """Secrets that are, or would be, in the clear: files of passwords, and private keys."""

    passwords: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.passwords or self.keys)

    @property
    def words(self) -> str:
        """What they are, for people: ``14 private keys and /etc/shadow``."""
        number = len(self.keys)
        keys = escape(self.keys[0]) if number == 1 else f"{number} private keys" if number else ""
        parts = [part for part in (keys, *map(escape, self.passwords)) if part]
        return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))

    @property
    def verb(self) -> str:
        """``is`` or ``are``."""
        return "is" if len(self.passwords) + len(self.keys) == 1 else "are"

    @property
    def setting(self) -> str:
        """The line of the configuration that seals them, on one line."""
        return f"pacha.seal = {' '.join(_patterns(self))}"


def find(files: Iterable[bytes]) -> ReadableSecrets:
    """Those of ``files`` (absolute paths) that are secret."""
    passwords, keys, read = [], [], 0
    for path in files:
        if path in _PASSWORDS:
            passwords.append(path)
        elif SECRET_NAME.match(name := paths.name(path)):
            keys.append(path)
        elif read < _MOST_READ and (_LIKELY.match(name) or not _FOLDERS.isdisjoint(path.split(b"/")[:-1])):
            read += 1
            if PRIVATE_KEY.search(_beginning(path)):
                keys.append(path)
    return ReadableSecrets(tuple(passwords), tuple(keys))


def below(path: bytes) -> Iterator[bytes]:
    """The files at and below ``path``; follows no link, and stops after ``_MOST_WALKED`` names."""
    if not os.path.isdir(path):
        yield path
    walked = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(folder, name)
        walked += len(folders) + len(names)
        if walked > _MOST_WALKED:
            return


def _beginning(path: bytes) -> bytes:
    """The first bytes of a regular file, b"" for anything else; it waits for nothing."""
    with suppress(OSError):
        if not stat.S_ISREG(os.lstat(path).st_mode):  # opening a device may do something
            return b""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            return os.pread(fd, _BYTES, 0) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        finally:
            os.close(fd)
    return b""


def _patterns(found: ReadableSecrets) -> list[str]:
    """Patterns for what was found: host keys together, and where there are many, those of one folder."""
    patterns = dict.fromkeys(_pattern(path) for path in (*found.passwords, *found.keys))
    if len(patterns) > _MOST_PATTERNS:
        folders = dict.fromkeys(f"{_glob(paths.parent(path))}/" for path in found.keys)
        patterns = dict.fromkeys([*map(_pattern, found.passwords), *folders])
    return [shlex.quote(pattern) if re.search(r"[\s'\"]", pattern) else pattern for pattern in patterns]


def _pattern(path: bytes) -> str:
    if fnmatch.fnmatchcase(os.fsdecode(paths.name(path)), "ssh_host_*_key"):
        return f"{_glob(paths.parent(path))}/ssh_host_*_key"
    return _glob(path)


def _glob(path: bytes) -> str:
    """``path`` as a pattern that is safe to print: any character that means something there may be any one."""
    return re.sub(r"[\[\]*?\\]", "?", escape(path))
