"""This machine as Pacha sees it: its configuration, its state folder, its name, its masters."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pacha.errors import ConfigError, PachaError, UsageError
from pacha.files.names import shown
from pacha.settings import HOST_NAME, STANDALONE

if TYPE_CHECKING:
    from pacha.config import Config
    from pacha.store.state import StateFolder
    from pacha.wire.master import Master
    from pacha.wire.ssh import Endpoint


@dataclass(frozen=True, slots=True)
class Here:
    """What every action is given."""

    config: Config
    state: StateFolder

    def hostname(self) -> str:
        """The name this machine pushes as: ``pacha.hostname``, then what was adopted, then ``uname -n``.

        Raises ConfigError when that cannot be a host's name.
        """
        adopted = self.state.memory().get("hostname")
        name = self.config.hostname or adopted or platform.node().partition(".")[0]
        if not HOST_NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot be the name of a host.",
                "letters, digits, '.', '_' and '-' only",
                "Set pacha.hostname in the configuration.",
            )
        return str(name)

    def master(self) -> str:
        """The master to talk to. Raises ConfigError when none is set."""
        return self.config.masters()[0]


def check_host(host: str) -> str:
    """``host`` if it can be one. Raises UsageError: it becomes part of a path on the master."""
    if not HOST_NAME.fullmatch(host) or len(host) > 255:
        raise UsageError(
            f"'{shown(os.fsencode(host[:80]))}' cannot be the name of a host.",
            "letters, digits, '.', '_', '-' only",
            "Name it as 'pacha hosts' does.",
        )
    return host


def program() -> str:
    """The path by which others call this Pacha; of ``python -m pacha`` that of the command installed with it.

    Raises PachaError where there is none.
    """
    running = os.path.abspath(sys.argv[0])
    if os.path.basename(running) != "__main__.py":
        return running
    command = os.path.join(os.path.dirname(sys.executable), "pacha")
    if not os.access(command, os.X_OK):
        raise PachaError("Pacha is not installed as a command.", f"there is no {command}", "Install it with pip.")
    return command


def connect(here: Here, master: str) -> Master:
    """A connection to ``master`` (a host name, or ``local``). Raises UnreachableError.

    Imports what the kind of master needs and no more.
    """
    config = here.config
    if master == STANDALONE:
        from pacha.wire.local import LocalMaster

        return LocalMaster(config.hosts_path, _create)
    from pacha.wire import ssh
    from pacha.wire.plain import PlainSet
    from pacha.wire.remote import SshMaster

    silence = config.ssh_timeout
    connection = ssh.Connection.open(endpoint(config, master), min(20.0, silence), idle=silence)
    plain = PlainSet(connection, config.hosts_path, config.hg_command, init_config(), here.state.machine)
    label = connection.endpoint.label
    greets = label in here.state.memory().get("greeted", [])
    return SshMaster(connection, plain, greets, partial(_remember_greeting, here, label))


def endpoint(config: Config, master: str) -> Endpoint:
    """Where ``master`` is and how to get in, by the configuration and ``~/.ssh/config``."""
    from pacha.wire import ssh

    return ssh.resolve(
        master,
        user=config.ssh_user,
        port=config.ssh_port,
        key=config.ssh_key,
        known_hosts=config.ssh_known_hosts,
        ssh_config=Path(os.path.expanduser("~/.ssh/config")),
    )


def whereabouts(here: Here, *, own: bool = False) -> str:
    """Where a rebuild comes from, for the person who is to confirm it: whole lines.

    ``own``: from this host's own history.
    """
    if own:
        return f"Own history:    {shown(os.fsencode(here.state.path))}\n"
    master = here.master()
    if master == STANDALONE:
        return f"Master folder:  {shown(here.config.hosts_path)}\n"
    found = endpoint(here.config, master)
    return f"SSH Connection: {found.user}@{master}\nSSH Port:       {found.port}\n"


def init_config() -> Sequence[str]:
    """The options that make ``hg init`` choose our format, whatever its configuration says."""
    from pacha.store.revision import FORMAT

    return [word for name, value in FORMAT for word in ("--config", f"{name}={value}")]


def _remember_greeting(here: Here, label: str, greets: bool) -> None:
    """Remember whether there is Pacha on the master, which only saves the asking."""
    others = [one for one in here.state.memory().get("greeted", []) if one != label]
    with suppress(OSError):
        here.state.remember(greeted=others + [label] * greets or None)


def _create(path: str) -> None:
    from pacha.store import hg

    hg.Repository.open(path, create=True)
