"""Where it is measured: a throw-away sshd with an account, a folder on a file system, a line of a given length."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.forced import Door, door
from tests.support.sshd import Account, Relay, Sshd, account

#: What every tool that starts ssh(1) is given; no connection is shared or kept.
_SSH_CONFIG = """\
Host bench
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
  StrictHostKeyChecking yes
  BatchMode yes
  ControlMaster no
  ControlPath none
  Compression no
"""


@dataclass(frozen=True)
class Stand:
    """A server whose ``store`` belongs to the account, and a ``folder`` on the same file system for the client.

    ``door``: Pacha where the account can run it.
    """

    server: Sshd
    account: Account
    folder: Path
    door: Door

    @property
    def store(self) -> Path:
        """Where the server keeps what it is sent."""
        return self.folder / "store"

    def renew(self) -> None:
        """Empty the store and the client's scratch folder."""
        for folder in (self.store, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o755)
        os.chown(self.store, self.account.uid, self.account.gid)

    @property
    def scratch(self) -> Path:
        """Where the client keeps caches, state and what is rebuilt."""
        return self.folder / "client"


@dataclass(frozen=True)
class Line:
    """A way to the server: its port, and the ssh_config(5) that ssh(1) is given."""

    port: int
    config: Path

    @property
    def ssh(self) -> str:
        """The ssh(1) command, as other tools want it."""
        return f"ssh -F {self.config}"


@contextmanager
def stand(place: Path, startup: float = 0.0) -> Iterator[Stand]:
    """A server that keeps everything below a new folder in ``place``.

    ``startup``: seconds that the start-up file of the account's shell takes, for each command.
    """
    folder = Path(tempfile.mkdtemp(prefix="pacha-speed-", dir=place))
    folder.chmod(0o755)
    try:
        shell = "/bin/bash" if startup else "/bin/sh"
        extra = ["Subsystem sftp internal-sftp"]
        with door() as way, Sshd(folder / "sshd", extra=extra) as server, account(_name(), shell) as who:
            (who.home / ".bashrc").write_text(f"sleep {startup:g}\n")
            server.authorize(who.name)
            server.authorize("root")  # rsync sets owners on the server
            yield Stand(server, who, folder, way)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _name() -> str:
    return f"speed_{os.getpid()}"


@contextmanager
def line(place: Stand, milliseconds: int) -> Iterator[Line]:
    """A relay to the server that adds so many milliseconds to a round trip."""
    server = place.server
    with Relay((server.address, server.port), rtt=milliseconds / 1000) as relay:
        server.trust(f"[127.0.0.1]:{relay.port}")
        config = place.folder / f"ssh_config_{relay.port}"
        values = {"port": relay.port, "user": place.account.name, "key": server.key, "known_hosts": server.known_hosts}
        config.write_text(_SSH_CONFIG.format(**values))
        yield Line(relay.port, config)
