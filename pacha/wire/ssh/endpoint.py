"""Resolve an SSH server from the given values, ssh_config(5) and the defaults."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pacha.errors import ConfigError
from pacha.system.home import expand_home, home_dir
from pacha.text import one_line
from pacha.wire.ssh.settings import Settings, settings_of

SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}\$?")
_PORT = re.compile(r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]", re.ASCII)
_JUMP = re.compile(r"(?:ssh://)?(?:([^@]+)@)?(\[[^]]+\]|[^:]+)(?::([0-9]+))?/?")
_DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_TOKEN = re.compile(r"%(.?)|\$\{(\w+)\}", re.DOTALL)
_SSH_PORT = 22

Tokens: TypeAlias = "Mapping[str, str | Callable[[], str]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an SSH server is, as whom to log in, and how to recognise it.

    ``host_key_name`` is its name in known_hosts: the HostKeyAlias, the host, or ``[host]:port`` if the port is not 22.
    ``key_files`` are tried in turn, before the agent's keys if they are ``named_keys`` (not the default ones); with
    ``only_these_keys`` the agent offers no others. ``certificates`` are files that are tried first. ``agent`` is the
    path of its socket (None: that of SSH_AUTH_SOCK, "": no agent). ``proxy_jump`` is the server to go through,
    ``proxy_command`` the shell command to use in place of a connection. ``name`` is what was asked for, and
    ``control_path`` the socket of a connection of ssh's own, ``asks_for_host_keys`` whether ssh would ask a command for
    host keys (KnownHostsCommand, which an older ssh does not know); these are for ssh itself (``openssh``).
    """

    host: str
    port: int
    user: str
    key_files: tuple[str, ...]
    known_hosts: tuple[str, ...]
    host_key_name: str
    proxy_jump: Endpoint | None = None
    only_these_keys: bool = False
    named_keys: bool = False
    certificates: tuple[str, ...] = ()
    agent: str | None = None
    proxy_command: str | None = None
    name: str = ""
    control_path: str = ""
    asks_for_host_keys: bool = False

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
    """The address and the login of ``host``: from the given values, then from ``ssh_config``, then the defaults.

    ``ssh_config`` is a file in the format of ssh_config(5), such as ``~/.ssh/config``; None or a missing file means no
    settings. A server to jump through is looked up the same way, but its own ProxyJump is ignored. Raises ConfigError
    for an invalid host, user or port.
    """
    _check(_HOST, host, "name")
    settings = settings_of(host, user, port, ssh_config)
    jumps = _text(settings, "proxyjump", "none")
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
        _check(_HOST, name, "name")
        nearer = settings_of(name, match[1], number, ssh_config)
        through = _endpoint(name, nearer, match[1], number, key, known_hosts, through)
    return _endpoint(host, settings, user, port, key, known_hosts, through)


def _check(form: re.Pattern[str], text: str, kind: str) -> None:
    """Raise ConfigError for a host, user or port that a program on the way could misread."""
    if not form.fullmatch(text):
        raise ConfigError(
            f"The master's {kind} cannot be one.",
            f"it is {one_line(text)!r}",
            "Check pacha.host.",
            code="invalid-master",
        )


def _endpoint(
    name: str,
    settings: Settings,
    user: str | None,
    port: int | None,
    key: str | None,
    known_hosts: str | None,
    through: Endpoint | None,
) -> Endpoint:
    host, number, login = _address(name, settings, user, port)
    alias = _text(settings, "hostkeyalias", "")
    tokens = _tokens(name, host, number, login, alias or name, _text(settings, "proxyjump", ""))
    keys, are_named = _key_files(settings, key, tokens)
    return Endpoint(
        host=host,
        port=number,
        user=login,
        key_files=keys,
        known_hosts=_known_hosts(settings, known_hosts),
        host_key_name=alias or (host if number == _SSH_PORT else f"[{host}]:{number}"),
        proxy_jump=through,
        only_these_keys=bool(key) or _text(settings, "identitiesonly", "no").lower() == "yes",
        named_keys=are_named,
        certificates=tuple(expand_home(_filled(file, tokens)) for file in _list(settings, "certificatefile")),
        agent=_agent(_text(settings, "identityagent", ""), tokens),
        proxy_command=_proxy_command(settings, tokens) if through is None else None,
        name=name,
        control_path=_text(settings, "controlpath", ""),
        asks_for_host_keys="knownhostscommand" in settings,
    )


def _address(name: str, settings: Settings, user: str | None, port: int | None) -> tuple[str, int, str]:
    """The host, the port and the account that ``name`` stands for. Raises ConfigError."""
    host = _text(settings, "hostname", name)
    login = user or _text(settings, "user", "") or _account()
    number = str(port or _text(settings, "port", str(_SSH_PORT)))
    _check(_HOST, host, "name")
    _check(_USER, login, "user")
    _check(_PORT, number, "port")
    return host, int(number), login


def _key_files(settings: Settings, key: str | None, tokens: Tokens) -> tuple[tuple[str, ...], bool]:
    """The files of the keys to try, and whether they are others than ssh's default ones."""
    if key:
        return (expand_home(key),), True
    files = _list(settings, "identityfile")
    tried = files if "identityfile" in settings else _DEFAULT_KEYS
    # ``ssh -G`` does not distinguish its default keys from configured ones
    are_usual = not files or (len(files) > 3 and all(file.startswith("~/.ssh/id_") for file in files))
    return tuple(expand_home(_filled(file, tokens)) for file in tried), not are_usual


def _known_hosts(settings: Settings, given: str | None) -> tuple[str, ...]:
    own = [given] if given else _words(settings, "userknownhostsfile", "~/.ssh/known_hosts")
    of_system = _words(settings, "globalknownhostsfile", SYSTEM_KNOWN_HOSTS)
    return tuple(expand_home(file) for file in (*own, *of_system))


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise ConfigError(
            "Nothing says as whom to log in.",
            f"uid {os.getuid()} has no account on this machine",
            "Set pacha.ssh.user.",
            code="no-login-name",
        ) from None


def _text(settings: Settings, keyword: str, default: str) -> str:
    return str(settings.get(keyword) or default)


def _list(settings: Settings, keyword: str) -> list[str]:
    value = settings.get(keyword) or []
    files = [value] if isinstance(value, str) else value
    return [file.strip('"') for file in files if file.lower() != "none"]


def _words(settings: Settings, keyword: str, default: str) -> list[str]:
    text = _text(settings, keyword, default)
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    return [] if words == ["none"] else words


def _tokens(name: str, host: str, port: int, user: str, alias: str, jump: str) -> Tokens:
    """The values of the TOKENS of ssh_config(5), by their letter."""
    return {
        "%": "%",
        "d": home_dir,
        "h": host,
        "i": str(os.getuid()),
        "j": jump,
        "k": alias,
        "L": lambda: socket.gethostname().partition(".")[0],
        "l": socket.gethostname,
        "n": name,
        "p": str(port),
        "r": user,
        "u": _account,
    }


def _filled(text: str, tokens: Tokens) -> str:
    """``text`` with its tokens and ``${VARIABLES}`` replaced. Raises ConfigError for an unknown one."""

    def value(match: re.Match[str]) -> str:
        token = os.environ.get(match[2]) if match[2] else tokens.get(match[1])
        if token is None:
            raise ConfigError(
                f"{one_line(text)!r} in ~/.ssh/config cannot be understood.",
                f"nothing is known for {match[0]}",
                "Write it out there.",
                code="unknown-ssh-token",
            )
        return token if isinstance(token, str) else token()

    return _TOKEN.sub(value, text)


def _agent(setting: str, tokens: Tokens) -> str | None:
    """The socket that IdentityAgent names, as ``Endpoint.agent`` has it."""
    if setting in ("", "SSH_AUTH_SOCK"):
        return None
    if setting.lower() == "none":
        return ""
    return os.environ.get(setting[1:], "") if setting.startswith("$") else expand_home(_filled(setting, tokens))


def _proxy_command(settings: Settings, tokens: Tokens) -> str | None:
    """The command of ProxyCommand; ``${...}`` in it is for the shell."""
    command = _text(settings, "proxycommand", "none")
    if command.lower() == "none":
        return None
    return _TOKEN.sub(lambda match: match[0] if match[2] else _filled(match[0], tokens), command)
