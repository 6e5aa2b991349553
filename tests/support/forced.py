"""Hosts whose keys are behind the forced command, and masters and clients of another version."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from pacha.wire import control
from tests.support.sshd import make_key
from tests.support.stage import Host, Stage

_PROGRAM = """\
#!/bin/sh
''':'
LD_LIBRARY_PATH={python}/lib exec {python}/bin/{interpreter} "$0" "$@"
'''
import sys
sys.path[:0] = {paths!r}
{more}
from pacha.__main__ import main
main()
"""
#: A Pacha that has other ideas of the control channel than this one; a later master also says more than we know.
_OTHER = """\
from pacha.wire import control
control.PROTOCOL, control.CAPABILITIES = {protocol}, {capabilities!r}
say = control.encode
control.encode = lambda message: say({{**message, "of {protocol}": {{"more": ["than", "this"]}}}})
"""


@dataclass(frozen=True)
class Door:
    """Pacha where the accounts of a master can run it, below ``folder``: the tests' own may lie in /root."""

    folder: Path

    @property
    def pacha(self) -> Path:
        """The program."""
        return self.folder / "pacha"

    def other(self, protocol: int, capabilities: Sequence[str], more: str = "") -> Path:
        """A Pacha of another protocol, which is also what the lines ``more`` make of it."""
        text = _OTHER.format(protocol=protocol, capabilities=tuple(capabilities))
        return self.program(f"pacha-{protocol}", text + more)

    def program(self, name: str, more: str = "") -> Path:
        """A program that is Pacha, after the lines ``more``."""
        path = self.folder / name
        python = self.folder / "python"
        interpreter = f"python{sys.version_info.major}.{sys.version_info.minor}"
        paths = [str(self.folder / "pacha.of.tests"), str(self.folder / "site")]
        path.write_text(_PROGRAM.format(python=python, interpreter=interpreter, paths=paths, more=more))
        path.chmod(0o755)
        return path

    def host(
        self, stage: Stage, name: str = "bar", *options: str, machine: str = "", program: Path | None = None
    ) -> Host:
        """A host with a key of its own, which can run nothing but ``program`` serve; ``options`` are add-host's."""
        host = stage.host(name, machine=machine)
        self.enrol(host, *options, program=program)
        return host

    def enrol(self, host: Host, *options: str, program: Path | None = None) -> None:
        """Give a host a new key."""
        stage = host.stage
        key = make_key(host.folder / f"key{len(list(host.folder.glob('key*')))}")
        user = stage.account.name
        done = host.pacha("add-host", host.name, "--user", user, "--key", f"{key}.pub", *options).must()
        options_of_line, command, rest = done.out.splitlines()[-1].partition('command="')
        line = options_of_line + command + str(program or self.pacha) + rest[rest.index(" serve ") :]
        with open(stage.server.folder / "authorized" / user, "a") as file:
            file.write(line + "\n")
        host.configure(ssh_key=str(key))


@contextmanager
def door() -> Iterator[Door]:
    """The interpreter, the packages and Pacha itself, seen from where everybody can read them."""
    folder = Path(tempfile.mkdtemp(prefix="pacha-door-", dir="/tmp"))
    folder.chmod(0o755)
    made = Door(folder)
    sources = {
        "python": sys.base_prefix,
        "site": str(Path(click.__file__).parents[1]),
        "pacha.of.tests": str(Path(control.__file__).parents[2]),
    }
    try:
        for name, source in sources.items():
            (folder / name).mkdir()
            subprocess.run(["mount", "--bind", "-o", "ro", source, folder / name], check=True)
        made.program("pacha")
        yield made
    finally:
        for name in sources:
            subprocess.run(["umount", "--lazy", folder / name], check=False, capture_output=True)
            (folder / name).rmdir()
        shutil.rmtree(folder)


def ssh(host: Host, command: str | None, *options: str) -> list[str]:
    """The words that run ``command`` on the master with the host's key, by OpenSSH's own client."""
    server, account = host.stage.server, host.stage.account
    alone = ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    known = ["-o", f"UserKnownHostsFile={server.known_hosts}", "-i", host.settings["pacha.ssh.key"]]
    where = ["-p", str(server.port), *options, f"{account.name}@{server.address}"]
    return ["ssh", *alone, *known, *where, *([command] if command is not None else [])]


def quoted(*words: str | os.PathLike[str]) -> str:
    """Words as the client quotes them."""
    return " ".join(shlex.quote(os.fspath(word)) for word in words)
