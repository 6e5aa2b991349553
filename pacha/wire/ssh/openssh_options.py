"""The command line of the system's ssh: what Pacha resolved, with the checks that it makes itself otherwise.

The user's files still say all the rest: certificates, GSSAPI, algorithms, the agent.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from pacha.system.home import home_dir, ssh_dir
from pacha.wire.ssh.endpoint import Endpoint

#: In ssh_config(5) the first value of a keyword counts, and the command line comes before the files.
_ALWAYS = (
    "BatchMode=yes",  # no question, no password
    "PasswordAuthentication=no",
    "KbdInteractiveAuthentication=no",
    "StrictHostKeyChecking=yes",  # no unknown host key, whatever DNS or a command says
    "VerifyHostKeyDNS=no",
    "NoHostAuthenticationForLocalhost=no",
    "UpdateHostKeys=no",
    "GlobalKnownHostsFile=none",  # those that count are named below
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "Tunnel=no",
    "EscapeChar=none",
    "LogLevel=ERROR",
    "SetEnv=LC_ALL=C",
)


def master_command(
    program: str, endpoint: Endpoint, socket: str, *, timeout: float, stall: float, lasts: int
) -> list[str]:
    """The command that logs in, leaves a process behind that listens at ``socket``, and then ends.

    That process ends ``lasts`` seconds after the last conversation with it.
    """
    background = ["-f", "-N", "-M", "-S", socket.replace("%", "%%"), "-o", f"ControlPersist={lasts}"]
    return [program, *background, *_login(program, endpoint, timeout, stall), "--", endpoint.name or endpoint.host]


def environment(endpoint: Endpoint) -> dict[str, str]:
    """ssh's environment: nothing in it asks a person. The command of a ProxyJump is for sh."""
    own = {"HOME": home_dir(), "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"}
    shell = {"SHELL": "/bin/sh"} if endpoint.proxy_jump else {}
    return {**os.environ, **own, **shell}


def _login(program: str, endpoint: Endpoint, timeout: float, stall: float) -> list[str]:
    options = [
        *_ALWAYS,
        f"UserKnownHostsFile={' '.join(map(_quoted, endpoint.known_hosts)) or 'none'}",
        f"HostName={endpoint.host.replace('%', '%%')}",
        f"ConnectTimeout={max(1, round(timeout))}",
        f"ServerAliveInterval={max(1, round(stall / 3))}",
        "ServerAliveCountMax=3",
        f"ProxyCommand={_proxy(program, endpoint, timeout, stall)}",
    ]
    if endpoint.host_key_name not in (endpoint.host, f"[{endpoint.host}]:{endpoint.port}"):
        options.append(f"HostKeyAlias={endpoint.host_key_name}")
    if endpoint.asks_for_host_keys:
        options.append("KnownHostsCommand=none")
    if endpoint.only_these_keys:
        options.append("IdentitiesOnly=yes")
    if endpoint.named_keys:
        options += [f"IdentityFile={_quoted(file)}" for file in endpoint.key_files]
    words = ["-T", *_config(), "-p", str(endpoint.port), "-l", endpoint.user]
    return words + [word for option in options for word in ("-o", option)]


def _config() -> Sequence[str]:
    """The option for the user's file if it is not at its usual place; if there is none, ssh is to read no file."""
    folder = ssh_dir()
    if folder == os.path.join(home_dir(), ".ssh"):
        return ()
    file = Path(folder, "config")
    return ("-F", str(file) if file.exists() else "none")


def _proxy(program: str, endpoint: Endpoint, timeout: float, stall: float) -> str:
    """The way to the server: a command that ssh gives to a shell. A server in between is checked as well."""
    if endpoint.proxy_jump is None:
        return (endpoint.proxy_command or "none").replace("%", "%%")
    jump = endpoint.proxy_jump
    target = f"[{endpoint.host}]:{endpoint.port}"
    login = [word for word in _login(program, jump, timeout, stall) if word != "-T"]
    words = [program, *login, "-S", "none", "-W", target, "--", jump.name or jump.host]
    return shlex.join(words).replace("%", "%%")


def _quoted(path: str) -> str:
    """A path in quotes for ssh_config(5), with everything escaped that has a meaning there."""
    return '"' + path.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"') + '"'
