"""The settings of ssh_config(5) for a server, from the system's own ssh, so that Include, Match and tokens work.

Where there is no ssh, ``plain_settings`` reads the file, and refuses what it does not understand.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from pacha.errors import ConfigError
from pacha.system.home import home_dir
from pacha.system.limited_output import read_output
from pacha.system.presence import ABSENT
from pacha.text import one_line
from pacha.wire.ssh.trust import read_trusted

#: By keyword in lower case: the value, or the values in order.
Settings = Mapping[str, str | list[str]]

_MANY = ("identityfile", "certificatefile")
_SECONDS = 20.0  #: the time limit of a "Match exec"
_LONGEST = 1 << 20  #: bytes; an answer has some 10 KB
_REFUSED = 255  #: exit status of ssh(1) for a file that it refuses
_SYSTEM = ("/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d")
#: Keywords for which ssh is worth a process. Debian's own file has none.
_CONCERNS = re.compile(
    rb"^[ \t]*(Match|HostName|Port|User|Identit\w+|CertificateFile|Proxy(Jump|Command)|HostKeyAlias|Canonical\w+|"
    rb"ControlPath|(User|Global)KnownHostsFile|Include(?!\s+/etc/ssh/ssh_config\.d/\*\.conf\s*$))\b",
    re.IGNORECASE | re.MULTILINE,
)


def settings_of(host: str, user: str | None, port: int | None, config: Path | None) -> Settings:
    """The settings in ``config`` (None: no file) for ``host``, with ``user`` and ``port`` as on ssh's command line.

    The user's default file is read together with the system's, as ssh does; another file alone. Raises ConfigError for
    a file that cannot be read or that another user could change.
    """
    if config is None:
        return {}
    usual = config == Path(home_dir(), ".ssh", "config")
    try:
        before = os.stat(config).st_mtime_ns
        text = read_trusted(config)
    except ABSENT:
        if not usual or not _system_concerns():
            return {}
        before, text = 0, b""
    except OSError as error:
        raise _unreadable(config, error.strerror or "") from error
    config_option = None if usual else str(config)
    answer = _asked(host, user, port, config_option, before)
    if answer is not None:
        return answer
    from pacha.wire.ssh.plain_settings import read_settings  # rarely, and it imports paramiko

    return read_settings(text, host, config)


def _system_concerns() -> bool:
    """Whether the system's own ssh_config has a keyword that matters here."""
    main, folder = _SYSTEM
    try:
        names = [main, *(entry.path for entry in os.scandir(folder) if entry.name.endswith(".conf"))]
    except OSError:
        names = [main]
    return any(_CONCERNS.search(_content(name)) for name in names)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_LONGEST)
    except OSError:
        return b""


@lru_cache
def _asked(host: str, user: str | None, port: int | None, config: str | None, _changed: int) -> Settings | None:
    """The answer of ``ssh -G``, asked once while the file is unchanged; None where there is no ssh."""
    program = shutil.which("ssh")
    if program is None:
        return None
    command = [program, "-G", "-T"]
    command += ["-F", config] if config else []
    command += ["-l", user] if user else []
    command += ["-p", str(port)] if port else []
    environment = {**os.environ, "HOME": home_dir(), "LC_ALL": "C"}
    where = Path(config or os.path.join(home_dir(), ".ssh", "config"))
    try:
        answer = read_output([*command, "--", host], environment, _SECONDS, _LONGEST)
    except TimeoutError:
        raise _unreadable(where, f"'ssh -G {host}' did not end within {_SECONDS:g} seconds") from None
    except OSError:
        return None
    if answer.status == _REFUSED or len(answer.stdout) > _LONGEST:
        raise _unreadable(where, one_line(answer.stderr.strip()) or f"'ssh -G {host}' refuses it")
    return _parsed(answer.stdout.decode("utf-8", "replace")) if answer.status == 0 else None


def _parsed(text: str) -> Settings:
    settings: dict[str, str | list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        if keyword in _MANY:
            several = settings.setdefault(keyword, [])
            assert isinstance(several, list)
            several.append(value)
        else:
            settings.setdefault(keyword, value)
    return settings


def _unreadable(config: Path, why: str) -> ConfigError:
    return ConfigError(f"{config} cannot be read.", why, "Correct that file.", code="ssh-config-unreadable")
