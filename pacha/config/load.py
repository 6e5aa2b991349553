"""Find, read and check the configuration file: one ``[DEFAULT]`` section, a frozen ``Config``.

The file's grammar is that of configparser in the standard library, without interpolation: a ``%`` is a ``%``.
All faults of a file are reported together. ``pacha.config.keys`` has the keys.
"""

from __future__ import annotations

import configparser
import difflib
import os
import re
import shlex
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pacha.config.keys import HOST_NAME, KEYS, NAMES, STANDALONE, Key
from pacha.errors import ConfigError
from pacha.system.home import own_home
from pacha.system.trust import untrusted
from pacha.text import printable

__all__ = [
    "HOST_NAME",
    "STANDALONE",
    "Config",
    "ConfigFaults",
    "Fault",
    "find_config",
    "is_configured_for_root",
    "load_config",
    "parse_config",
    "state_folder",
]

SYSTEM_FILE = Path("/etc/pacha/pacha.conf")
ROOTS_STATE = Path("/var/lib/pacha")
OBSOLETE = re.compile(r"pacha\.(master|log\..+|hg\.autocorrect)")
BEFORE_PUSH = "before-push.d"
LARGEST = 1 << 20  #: bytes; anything longer is not a configuration
HINT = "pacha.conf.example explains every key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the operator asked for.

    ``hosts`` are the masters (host names, aliases of ssh_config(5) or addresses; ``("local",)`` is
    standalone; empty: none given). ``ssh_user``, ``ssh_port``, ``ssh_key``, ``ssh_known_hosts`` and
    ``hostname`` are None where ssh's own configuration or the machine decides, ``ssh_command`` where Pacha logs in
    itself. ``ssh_timeout`` and ``before_push_timeout`` are in seconds. ``hosts_path`` is absolute, normalised bytes.
    ``frequency`` is in hours. ``exclude``, ``seal``, ``rebuild_keep``, ``drift_ignore`` and ``secret`` are patterns;
    ``seal_to`` is a path; ``rebuild_hardware`` is "auto", "same" or "other". ``keep`` is an age as
    ``keys.age_seconds`` reads it, None for all; ``keep_monthly`` are months. ``hg_command`` is an argv. ``sign_key`` is
    a path, "no", or None for the usual key. ``warnings`` are lines for the user; ``given`` is the file's own text by
    key.
    """

    hosts: tuple[str, ...]
    ssh_user: str | None
    ssh_port: int | None
    ssh_key: str | None
    ssh_known_hosts: str | None
    ssh_timeout: int
    ssh_command: str | None
    hosts_path: bytes
    frequency: float
    hostname: str | None
    exclude: tuple[str, ...]
    seal: tuple[str, ...]
    seal_to: str | None
    one_filesystem: bool
    before_push_timeout: int
    rebuild_keep: tuple[str, ...]
    rebuild_hardware: str
    drift_ignore: tuple[str, ...]
    secret: tuple[str, ...]
    keep: str | None
    keep_monthly: int
    hooks: bool
    hg_command: tuple[str, ...]
    sign_key: str | None
    signers: str | None
    signers_revoked: str | None
    ping: str | None
    path: Path | None = None
    warnings: tuple[str, ...] = ()
    given: tuple[tuple[str, str], ...] = ()

    def values(self) -> list[tuple[str, str, Literal["file", "default"]]]:
        """Return (key, text, where from) of every key, in the order of ``KEYS``."""
        given = dict(self.given)
        return [
            (key.name, printable(" ".join(given[key.name].split())), "file")
            if key.name in given
            else (key.name, key.default, "default")
            for key in KEYS
        ]

    @property
    def before_push(self) -> Path | None:
        """The folder of the before-push programs, which need not exist: it is beside the file."""
        return self.path and self.path.parent / BEFORE_PUSH

    def masters(self) -> tuple[str, ...]:
        """Return ``hosts``. Raises ConfigError where none is set, for a host needs one."""
        if self.hosts:
            return self.hosts
        where = printable(str(self.path)) if self.path else "the configuration"
        raise ConfigError(
            f"{where}: pacha.host is not set.",
            "without it there is no master to push to or to rebuild from",
            f"Add a line such as 'pacha.host = master.example.com', or 'pacha.host = {STANDALONE}'. A master itself "
            "needs none: pacha hosts shows how its hosts stand.",
            code="no-master-configured",
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the file; ``key`` is empty where no single key is to blame."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.key)}: {self.reason}" if self.key else self.reason


class ConfigFaults(ConfigError):
    """A file with faults: all of them, in ``faults`` and joined in ``why``."""

    def __init__(self, path: Path | None, faults: list[Fault]) -> None:
        where = printable(str(path)) if path else "configuration"
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(
            f"{where}: {count}.", "; ".join(map(str, faults)), f"Correct the file: {HINT}.", code="configuration-faults"
        )
        self.faults = tuple(faults)


def find_config(
    explicit: str | None,
    environ: Mapping[str, str],
    recorded: str | None,
    is_root: bool,
    system_file: Path = SYSTEM_FILE,
) -> Path | None:
    """Return the configuration file to use, or None where there is none.

    In this order: ``explicit`` (``--config``), ``$PACHA_CONFIG``, ``recorded`` (by add-config), then
    ``system_file`` for root and ``$XDG_CONFIG_HOME/pacha/pacha.conf`` for anybody else. A file that was named
    and does not exist raises ConfigError: without it, Pacha would push to the wrong master or to none.
    """
    candidates = (
        (explicit, "--config", "Check the path."),
        (environ.get("PACHA_CONFIG"), "$PACHA_CONFIG", "Check the path, or unset the variable."),
        (recorded, "pacha add-config", "Put the file back, or name another: pacha add-config FILE."),
    )
    for text, by, hint in candidates:
        if text is None or (text == "" and by == "$PACHA_CONFIG"):
            continue
        if text == "" or not os.path.lexists(text):
            raise ConfigError(
                f"'{printable(text)}': no such configuration file.",
                f"{by} names it",
                hint,
                code="configuration-missing",
            )
        return Path(os.path.abspath(text))
    usual = system_file if is_root else _xdg(environ, "XDG_CONFIG_HOME", ".config") / "pacha.conf"
    return usual if os.path.lexists(usual) else None


def is_configured_for_root(system_file: Path = SYSTEM_FILE, state: Path = ROOTS_STATE) -> bool:
    """Whether root has a configuration, or a state folder (it may be elsewhere), as far as any user can see."""
    for path in (system_file, state):
        try:
            os.lstat(path)
            return True
        except PermissionError:  # the folder is there, and closed
            return True
        except OSError:
            continue
    return False


def state_folder(environ: Mapping[str, str], is_root: bool) -> Path:
    """Return Pacha's folder: ``$PACHA_STATE``, else /var/lib/pacha (root) or the user's state folder."""
    if environ.get("PACHA_STATE"):
        return Path(os.path.abspath(environ["PACHA_STATE"]))
    return ROOTS_STATE if is_root else _xdg(environ, "XDG_STATE_HOME", ".local/state")


def _xdg(environ: Mapping[str, str], variable: str, below_home: str) -> Path:
    """Return Pacha's folder by the XDG Base Directory Specification, which ignores relative paths."""
    base = environ.get(variable, "")
    if not os.path.isabs(base):
        base = os.path.join(own_home(environ), below_home)
    return Path(base, "pacha")


def load_config(path: Path) -> Config:
    """Return the configuration in ``path``. Raises ConfigError with everything that is wrong with it.

    Root refuses a file that another user could change: it decides which programs run and which master is trusted.
    """
    try:
        text = _read(path)
    except UnicodeDecodeError as error:
        raise ConfigFaults(path, [Fault("", f"byte {error.start + 1} is not UTF-8")]) from None
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise ConfigError(
            f"{printable(str(path))}: cannot be read.",
            reason,
            "Check the path and its mode.",
            code="configuration-unreadable",
        ) from None
    return parse_config(text, path)


def _read(path: Path) -> str:
    with open(path, "rb", opener=_opener) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(
                f"{printable(str(path))}: not a file.",
                "a special file stands there",
                "Name the right file.",
                code="configuration-not-a-file",
            )
        if os.geteuid() == 0:
            _refuse_writers(path)
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ConfigError(
            f"{printable(str(path))}: not a configuration.",
            f"it is larger than {LARGEST} bytes",
            "Name the right file.",
            code="not-a-configuration",
        )
    return data.decode("utf-8-sig")


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO must not block us


def _refuse_writers(path: Path) -> None:
    """Raise ConfigError where a user other than root could change or replace the file."""
    if found := untrusted(path, (0,)):
        name = printable(str(found[0]))
        raise ConfigError(
            f"{printable(str(path))}: not to be trusted.",
            f"a user other than root may write to {name}, and root obeys this file",
            f"Run: chown root:root {shlex.quote(name)} && chmod go-w {shlex.quote(name)}",
            code="configuration-not-trusted",
        )


def parse_config(text: str, path: Path | None = None) -> Config:
    """Return the configuration in ``text``; ``path`` is only for messages. Raises ConfigFaults."""
    faults: list[Fault] = []
    given, warnings = _known(_ini(text, faults), faults)
    fields: dict[str, Any] = {}
    for key in KEYS:
        try:
            fields[key.field] = key.parse(_one_line(key, given.get(key.name, key.default)))
        except ValueError as error:
            faults.append(Fault(key.name, str(error)))
    if faults:
        raise ConfigFaults(path, faults)
    if "pacha.ssh.port" not in given:
        fields["ssh_port"] = None  # so that a Port of ~/.ssh/config counts
    return Config(**fields, path=path, warnings=warnings, given=tuple(given.items()))


def _ini(text: str, faults: list[Fault]) -> dict[str, str]:
    """Return keys (lower case) and texts of the ``[DEFAULT]`` section; append each fault to ``faults``."""
    lines = text.split("\n")
    while True:
        parser = configparser.RawConfigParser(strict=True)
        try:
            parser.read_string("\n".join(lines))
        except configparser.DuplicateOptionError as error:
            faults.append(Fault(error.option, f"is set twice, the second time in line {error.lineno}"))
            lines[(error.lineno or 1) - 1] = ""  # look for further faults
            continue
        except configparser.DuplicateSectionError as error:
            lines[(error.lineno or 1) - 1] = ""  # the first occurrence is reported below
            continue
        except configparser.MissingSectionHeaderError as error:
            faults.append(Fault("", f"line {error.lineno} has no line [DEFAULT] above it"))
        except configparser.ParsingError as error:
            faults += [Fault("", f"line {number} has no key or no '='") for number, _ in error.errors]
        break
    faults += [Fault("", f"section [{printable(name)}]: only [DEFAULT] is read") for name in parser.sections()]
    return {key: value for key, value in parser.defaults().items() if isinstance(value, str)}


def _known(given: dict[str, str], faults: list[Fault]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the known keys that are not empty, and a warning for each obsolete one."""
    warnings: list[str] = []
    for name in (name for name in given if name not in NAMES):
        if OBSOLETE.fullmatch(name):
            warnings.append(f"{printable(name)}: has no meaning any more; remove the line")
        else:
            nearest = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)
            faults.append(Fault(name, f"no such key; the nearest is {nearest[0]}"))
    return {name: given[name] for name in NAMES if given.get(name)}, tuple(warnings)


def _one_line(key: Key, value: str) -> str:
    """Return ``value``. Raises ValueError for a probable mistake (a line taken as part of the value, a comment ...)."""
    for line in value.split("\n")[1:]:
        if re.match(r"pacha\.[^\s=:]*\s*[=:]", line, re.IGNORECASE):
            raise ValueError(f"the line '{printable(line)}' below it is indented, so it counts as part of the value")
    if "\n" in value and not key.many:
        raise ValueError("goes over several lines")
    if not value.replace("\n", "").replace("\t", "").isprintable():
        raise ValueError(f"'{printable(value)}' holds a control character")
    if re.search(r"(^|\s)[#;]", value):
        raise ValueError("holds '#' or ';': a comment needs a line of its own (in a pattern, write [#] or [;])")
    return value
