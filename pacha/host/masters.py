"""The masters of the configuration: connect to them, and say where they are."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pacha.config.keys import STANDALONE
from pacha.store import hg
from pacha.store.revision import INIT_OPTIONS
from pacha.system.home import ssh_dir
from pacha.text import escape
from pacha.wire import ssh

if TYPE_CHECKING:
    from pacha.config.config import Config
    from pacha.host.context import Context
    from pacha.wire.master import Master


def connect(context: Context, master: str) -> Master:
    """A connection to ``master`` (a host name, or ``local``). Raises UnreachableError.

    Imports only what this kind of master needs.
    """
    config = context.config
    if master == STANDALONE:
        from pacha.wire.local_master import LocalMaster  # without SSH

        return LocalMaster(config.hosts_path, lambda path: hg.Repository.open(path, create=True))
    from pacha.wire.plain_account import PlainAccount  # not for a master on this machine
    from pacha.wire.ssh_master import SshMaster

    silence = config.ssh_timeout
    timeout, patience = min(20.0, silence), min(60.0, silence)
    begin = partial(ssh.OpenSsh.open, config.ssh_command) if config.ssh_command else ssh.Connection.open
    connection: ssh.Commands = begin(endpoint(config, master), timeout, idle=silence, patience=patience)
    plain = PlainAccount(connection, config.hosts_path, config.hg_command, INIT_OPTIONS, context.state.machine)
    label = connection.endpoint.label
    greets = label in context.state.read().greeted
    return SshMaster(connection, plain, greets, partial(_remember_greeting, context, label))


def endpoint(config: Config, master: str) -> ssh.Endpoint:
    """The address and the login of ``master``, by the configuration and ``~/.ssh/config``."""
    return ssh.resolve(
        master,
        user=config.ssh_user,
        port=config.ssh_port,
        key=config.ssh_key,
        known_hosts=config.ssh_known_hosts,
        ssh_config=Path(ssh_dir(), "config"),
    )


def whereabouts(context: Context, *, own: bool = False) -> str:
    """Where a rebuild fetches from, for the person who confirms it: whole lines.

    ``own``: from this host's own history.
    """
    if own:
        return f"Own history:    {escape(context.state.path)}\n"
    master = context.master()
    if master == STANDALONE:
        return f"Master folder:  {escape(context.config.hosts_path)}\n"
    address = endpoint(context.config, master)
    return f"SSH Connection: {address.user}@{master}\nSSH Port:       {address.port}\n"


def _remember_greeting(context: Context, label: str, greets: bool) -> None:
    """Remember whether Pacha is on the master, to save a question next time."""
    labels = tuple(known_label for known_label in context.state.read().greeted if known_label != label)
    with suppress(OSError):
        if not context.state.is_read_only:
            context.state.update(greeted=(*labels, label) if greets else labels)
