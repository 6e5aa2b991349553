"""The table of configuration keys: name, default, how a value is read.

Tests check the example file and the documentation against ``KEYS``. Each parser takes the text (str, stripped, empty
only where the key's default is) and returns the value, or raises ValueError with a reason that is safe to print.
"""

from __future__ import annotations

import configparser
import ipaddress
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pacha.system.home import expand_home
from pacha.text import printable

HOST_NAME_MAX = 240  #: of the 255 bytes of a file name; the rest is for ".", ".json" and a temporary name's suffix
HOST_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{HOST_NAME_MAX - 1}}}", re.ASCII)
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
NO_KEY = "no"  #: the ``pacha.sign.key`` of a host that does not sign
STANDALONE = "local"  #: the ``pacha.host`` of a machine that is its own master


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``parse`` turns its text into the value of the Config's ``field``; ``many``: it may span lines."""

    name: str
    field: str
    parse: Callable[[str], Any]
    default: str
    doc: str

    @property
    def many(self) -> bool:
        return self.parse in (_patterns, _patterns_or_no)


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(_host(part.strip()) for part in text.split(",")) if text else ()
    if len(set(names)) < len(names):
        raise ValueError("names the same master twice")
    if STANDALONE in names and len(names) > 1:
        raise ValueError(f"'{STANDALONE}' (standalone) cannot be combined with other masters")
    return names


def _host(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", text):
        return text
    bare = text.removeprefix("[").removesuffix("]")
    if re.fullmatch(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?", bare):
        try:
            return str(ipaddress.ip_address(bare))
        except ValueError:
            pass
    hint = "; the user goes into pacha.ssh.user, the port into pacha.ssh.port" if set("@:") & set(text) else ""
    raise ValueError(f"'{printable(text)}' is not a host name or an address{hint}")


def _matching(pattern: str | re.Pattern[str], what: str) -> Callable[[str], str | None]:
    """A parser of texts that ``pattern`` matches as a whole ("" is None); ``what`` they are, for the error."""

    def parse(text: str) -> str | None:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(f"'{printable(text)}' is not {what}")
        return text or None

    return parse


def _whole(allowed: range, what: str) -> Callable[[str], int]:
    """A parser of ``allowed`` numbers, with no more digits than the largest has; ``what`` they are, for the error."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]+", text) or len(text) > len(str(allowed[-1])) or int(text) not in allowed:
            raise ValueError(f"'{printable(text)}' is not {what}")
        return int(text)

    return parse


def _file(text: str) -> str | None:
    if not text:
        return None
    path = expand_home(text)
    if not os.path.isabs(path):
        raise ValueError(f"'{printable(text)}' is not an absolute path (~ is the home folder)")
    return path


def _sign_key(text: str) -> str | None:
    return text if text == NO_KEY else _file(text)


def _program(text: str) -> str | None:
    if text and not re.fullmatch(r"[A-Za-z0-9._+-]+", text):
        return _file(text)
    return text or None


def _folder(text: str) -> bytes:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"'{printable(text)}' is not an absolute path without '..'")
    if "$" in text:
        raise ValueError(f"'{printable(text)}': Mercurial on the master would take what follows a '$' for a variable")
    return os.fsencode("/" + os.path.normpath(text).lstrip("/"))


def _hours(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) or not float(text) > 0:
        raise ValueError(f"'{printable(text)}' is not a number of hours above 0")
    return float(text)


def age_seconds(text: str) -> float:
    """The seconds of an age such as 90d, 8w, 6m (months of 30 days) or 2y (years of 365). Raises ValueError."""
    if match := re.fullmatch(r"([1-9][0-9]{0,4})([dwmy])", text, re.ASCII):
        return int(match[1]) * _DAYS[match[2]] * 86400.0
    raise ValueError(f"'{printable(text[:40])}' is not an age: write 90d, 8w, 6m or 2y")


def _age(text: str) -> str | None:
    if text:
        age_seconds(text)
    return text or None


def _words(text: str) -> tuple[str, ...]:
    """Split at white space, with quotes as in a shell, but keep backslashes: globs need them."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    try:
        return tuple(lexer)
    except ValueError:
        raise ValueError('a quote is not closed (put a name with a \' in it between " and ")') from None


def _patterns(text: str) -> tuple[str, ...]:
    patterns = _words(text)
    for pattern in patterns:
        if pattern.endswith(","):
            raise ValueError(f"'{printable(pattern)}': patterns are separated by spaces or lines, not by commas")
    return tuple(filter(None, patterns))


def _patterns_or_no(text: str) -> tuple[str, ...]:
    return () if text.strip() == NO_KEY else _patterns(text)


def _yes(text: str) -> bool:
    answer = configparser.RawConfigParser.BOOLEAN_STATES.get(text.lower())
    if answer is None:
        raise ValueError(f"'{printable(text)}' is neither yes nor no")
    return answer


def _command(text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ValueError(f"'{printable(text)}' is not a command: {error}") from None
    if not words or not words[0]:
        raise ValueError("is empty")
    return words


def _url(text: str) -> str | None:
    if not text:
        return None
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or not re.fullmatch(r"[!-~]+", text):
        raise ValueError(f"'{printable(text)}' is not an http or https URL")
    return text


_USER = _matching(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,254}\$?", "a user name")
_HOSTNAME = _matching(
    HOST_NAME, f"a host name: letters, digits, '.', '_', '-'; a letter or digit first; {HOST_NAME_MAX} at most"
)
_HARDWARE = _matching("auto|same|other", "auto, same or other")
_PORT = _whole(range(1, 65536), "a port (1 to 65535)")
_SECONDS = _whole(range(1, 1_000_000), "a number of seconds above 0")
_MONTHS = _whole(range(10_000), "a number of months")

# fmt: off
KEYS: tuple[Key, ...] = (
    Key("pacha.host", "hosts", _hosts, "",
        "The master. Several are separated by commas; 'local' keeps everything in a folder of this machine."),
    Key("pacha.ssh.user", "ssh_user", _USER, "",
        "The account on the master. Not set: what ~/.ssh/config says, else the user who runs Pacha."),
    Key("pacha.ssh.port", "ssh_port", _PORT, "22",
        "The port of the master's sshd. Not set: what ~/.ssh/config says, else 22."),
    Key("pacha.ssh.key", "ssh_key", _file, "",
        "The private key file. Not set: the agent's keys, those of ~/.ssh/config and the usual files."),
    Key("pacha.ssh.known_hosts", "ssh_known_hosts", _file, "",
        "The file of known host keys. Not set: those of the user and of the system."),
    Key("pacha.ssh.timeout", "ssh_timeout", _SECONDS, "120",
        "Seconds that the master may send (almost) nothing before Pacha gives it up; a login may take 20 at most."),
    Key("pacha.ssh.command", "ssh_command", _program, "",
        "The ssh program that logs in, such as 'ssh'. Not set: Pacha does it itself."),
    Key("pacha.hosts.path", "hosts_path", _folder, "/pacha/hosts",
        "The folder on the master (with 'local': on this machine) that holds one folder for each host."),
    Key("pacha.frequency", "frequency", _hours, "12",
        "Hours between two pushes; 0.5 is half an hour."),
    Key("pacha.hostname", "hostname", _HOSTNAME, "",
        "This host's name on the master. Not set: that of the host rebuilt here, else the machine's."),
    Key("pacha.exclude", "exclude", _patterns, "",
        "Patterns of paths that are not kept, separated by spaces or lines; quotes around one with a space."),
    Key("pacha.seal", "seal", _patterns_or_no, "",
        "Patterns of paths whose content only the holders of an identity can read, as in pacha.exclude; or no."),
    Key("pacha.seal.to", "seal_to", _file, "",
        "The file of those for whom it is sealed: an age recipient or an SSH public key on each line, two at least."),
    Key("pacha.one.filesystem", "one_filesystem", _yes, "no",
        "Leave out file systems that are mounted below a watched path (yes or no)."),
    Key("pacha.before.push.timeout", "before_push_timeout", _SECONDS, "600",
        "Seconds that a program in before-push.d may take, which each push runs before it looks at the files."),
    Key("pacha.rebuild.keep", "rebuild_keep", _patterns, "",
        "Paths that a rebuild never overwrites, such as /etc/fstab; written like pacha.exclude."),
    Key("pacha.rebuild.hardware", "rebuild_hardware", _HARDWARE, "auto",
        "Whether this machine counts as the one that a host was: auto (what the snapshot says), same or other."),
    Key("pacha.drift.ignore", "drift_ignore", _patterns, "",
        "On a master: what drift passes over below a folder, such as /etc/hostname; written like pacha.exclude."),
    Key("pacha.secret", "secret", _patterns, "",
        "On a master: what no digest shows the content of, besides what it always hides; written like pacha.exclude."),
    Key("pacha.keep", "keep", _age, "",
        "On a master: 'pacha purge --all' erases content that only older snapshots have; 90d, 8w, 6m or 2y."),
    Key("pacha.keep.monthly", "keep_monthly", _MONTHS, "0",
        "For so many months, the newest snapshot of each month keeps its content even if it is older than pacha.keep."),
    Key("pacha.hooks", "hooks", _yes, "no",
        "Run the hooks that the master holds for a host when it is rebuilt (yes or no)."),
    Key("pacha.hg.command", "hg_command", _command, "hg",
        "How Mercurial is called on the master."),
    Key("pacha.sign.key", "sign_key", _sign_key, "",
        "The key that signs snapshots, or its .pub (of an agent, a token). Not set: sshd's, as root; no: none."),
    Key("pacha.signers", "signers", _file, "",
        "Who may sign snapshots (allowed signers, ssh-keygen(1)). Set: a rebuild refuses what none of them signed."),
    Key("pacha.signers.revoked", "signers_revoked", _file, "",
        "Keys, or a KRL, that sign for nobody any more, whatever pacha.signers says."),
    Key("pacha.ping", "ping", _url, "",
        "An http or https URL that is called after each run, for a service that monitors cron jobs."),
)
# fmt: on
NAMES = tuple(key.name for key in KEYS)
