"""Resolve an SSH server from the given values, ssh_config(5) and the defaults."""

from __future__ import annotations

import importlib
import os
import pwd
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacha.errors import ConfigError
from pacha.text import one_line
from pacha.wire.ssh.library import paramiko

SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}\$?")
_PORT = re.compile(r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]", re.ASCII)
_JUMP = re.compile(r"(?:ssh://)?(?:([^@]+)@)?(\[[^]]+\]|[^:]+)(?::([0-9]+))?/?")
_DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an SSH server is, as whom to log in, and how to know it.

    ``host_key_name`` is what known_hosts calls it: the HostKeyAlias, the host, or ``[host]:port`` if
    the port is not 22. ``key_files`` are tried in turn; with ``only_these_keys`` the agent offers no
    others. ``proxy_jump`` is the server to go through.
    """

    host: str
    port: int
    user: str
    key_files: tuple[str, ...]
    known_hosts: tuple[str, ...]
    host_key_name: str
    proxy_jump: Endpoint | None = None
    only_these_keys: bool = False

    @property
    def label(self) -> str:
        """``user@host``, for people."""
        return f"{self.user}@{self.host}"


def resolve(
    host: str,
    *,
    user: str | None,
    port: int | None,
    key: str | None,
    known_hosts: str | None,
    ssh_config: Path | None,
) -> Endpoint:
    """Where ``host`` is and how to get in: the given values, then ``ssh_config``, then the defaults.

    ``ssh_config`` is a file in the format of ssh_config(5), such as ``~/.ssh/config``; None or a file
    that does not exist says nothing. A server to jump through is looked up the same way, except that
    its own ProxyJump is not followed. Raises ConfigError for what cannot be a host, a user or a port.
    """
    settings = _settings(ssh_config, host)
    jumps = settings.get("proxyjump") or "none"
    through = None
    for jump in [] if jumps.lower() == "none" else jumps.split(","):
        match = _JUMP.fullmatch(jump.strip())
        if match is None:
            raise ConfigError(
                "ProxyJump cannot be understood.",
                f"{one_line(jump)!r} is not user@host:port",
                "Correct it in ~/.ssh/config.",
                code="invalid-proxy-jump",
            )
        name, number = match[2].strip("[]"), int(match[3]) if match[3] else None
        nearer = _settings(ssh_config, name)
        through = _endpoint(name, nearer, match[1], number, key, known_hosts, through)
    return _endpoint(host, settings, user, port, key, known_hosts, through)


def _settings(ssh_config: Path | None, host: str) -> dict[str, Any]:
    """What an ssh_config(5) file says about a host; keys in lower case."""
    _check(_HOST, host, "name")
    if ssh_config is None or not ssh_config.exists():
        return {}
    try:
        if b"exec" in ssh_config.read_bytes().lower():
            vars(paramiko.config)["invoke"] = importlib.import_module("invoke")  # see library
        return dict(paramiko.SSHConfig.from_path(str(ssh_config)).lookup(host))
    except Exception as error:  # the reader raises whatever it stumbles over: KeyError, ImportError ...
        raise ConfigError(
            f"{ssh_config} cannot be read.", one_line(str(error)), "Correct that file.", code="ssh-config-unreadable"
        ) from error


def _check(form: re.Pattern[str], text: str, what: str) -> None:
    """Refuse a host, user or port that some program on the way could take for something else."""
    if not form.fullmatch(text):
        raise ConfigError(
            f"The master's {what} cannot be one.",
            f"it is {one_line(text)!r}",
            "Check pacha.host.",
            code="invalid-master",
        )


def _endpoint(
    name: str,
    settings: dict[str, Any],
    user: str | None,
    port: int | None,
    key: str | None,
    known_hosts: str | None,
    through: Endpoint | None,
) -> Endpoint:
    host = str(settings.get("hostname", name))
    login = user or settings.get("user") or pwd.getpwuid(os.getuid()).pw_name
    number = port or settings.get("port") or 22
    _check(_HOST, host, "name")
    _check(_USER, login, "user")
    _check(_PORT, str(number), "port")
    number = int(number)
    keys = [key] if key else settings.get("identityfile") or list(_DEFAULT_KEYS)
    known = [known_hosts] if known_hosts else _known_files(settings)
    outside = host if number == 22 else f"[{host}]:{number}"
    return Endpoint(
        host=host,
        port=number,
        user=login,
        key_files=tuple(os.path.expanduser(file) for file in keys),
        known_hosts=tuple(os.path.expanduser(file) for file in (*known, SYSTEM_KNOWN_HOSTS)),
        host_key_name=str(settings.get("hostkeyalias") or outside),
        proxy_jump=through,
        only_these_keys=bool(key) or str(settings.get("identitiesonly", "no")).lower() == "yes",
    )


def _known_files(settings: dict[str, Any]) -> list[str]:
    words = shlex.split(str(settings.get("userknownhostsfile", "~/.ssh/known_hosts")))
    return [] if words == ["none"] else words
