"""A real dropbear, the SSH server of small machines, in place of sshd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.sshd import Account, Sshd, make_key

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def require_dropbear() -> None:
    """Skip, for all to see, where there is none; with CI set that is a failure."""
    if shutil.which("dropbear", path=_PATH):
        return
    if os.environ.get("CI"):
        pytest.fail("needs dropbear")
    pytest.skip("needs dropbear")


@contextmanager
def dropbear(folder: Path, account: Account) -> Iterator[Sshd]:
    """A server that lets ``account`` in with its key; it has what a stage needs of an ``Sshd``."""
    require_dropbear()
    server = Sshd(folder)
    (folder / "authorized").mkdir(parents=True)
    make_key(server.key)
    _let_in(server, account)
    with socket.create_server((server.address, 0)) as free:
        server.port = free.getsockname()[1]
    kind = ["-t", "ed25519", "-f", str(folder / "host_key")]
    public = subprocess.run(["dropbearkey", *kind], check=True, capture_output=True, text=True).stdout
    line = next(line for line in public.splitlines() if line.startswith("ssh-ed25519 "))
    server.known_hosts.write_text(f"{server.name} {' '.join(line.split()[:2])}\n")
    command = [str(shutil.which("dropbear", path=_PATH)), "-F", "-E", "-p", f"{server.address}:{server.port}"]
    command += ["-P", str(folder / "pid"), "-r", str(folder / "host_key")]
    with server.log.open("w") as log:
        process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
    try:
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait()


def _let_in(server: Sshd, account: Account) -> None:
    """Put the key where dropbear looks for it, and where ``Door.enrol`` adds others."""
    ssh = account.home / ".ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    keys = ssh / "authorized_keys"
    shutil.copy(f"{server.key}.pub", keys)
    keys.chmod(0o600)
    for path in (ssh, keys):
        os.chown(path, account.uid, account.gid)
    (server.folder / "authorized" / account.name).symlink_to(keys)


def _wait_for(server: Sshd) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection((server.address, server.port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"dropbear does not start: {server.log_text()}")
