"""A host with two masters, ``m1`` and ``m2``."""

from __future__ import annotations

import os

from tests.support.sshd import Sshd
from tests.support.stage import Host, Stage


def two_masters(stage: Stage, second: Sshd) -> Host:
    """One that has pushed to neither; both are plain accounts. The second's folder of hosts is ``hosts2``."""
    host = stage.host("bar")
    elsewhere = stage.folder / "hosts2" / "bar"
    elsewhere.mkdir(parents=True)
    elsewhere.chmod(0o700)
    os.chown(elsewhere, stage.account.uid, stage.account.gid)
    up(host, second)
    return host


def up(host: Host, second: Sshd, *, m1: bool = True, m2: bool = True) -> None:
    """Which of the masters can be reached from now on."""
    ports = {"m1": (host.stage.server.address, host.stage.server.port, m1), "m2": (second.address, second.port, m2)}
    (host.home / ".ssh").mkdir(exist_ok=True, mode=0o700)
    lines = [
        f"Host {name}\nHostName {address}\nPort {port if there else 1}\n"
        for name, (address, port, there) in ports.items()
    ]
    (host.home / ".ssh" / "config").write_text("".join(lines))
    host.configure(host="m1, m2", ssh_port="")
