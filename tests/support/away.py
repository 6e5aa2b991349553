"""A master in a folder of the test, whose hosts' account is this user with a home of its own."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.server import moving

#: A line that Pacha made for ``HOST``, with the key ``BLOB``.
LINE = 'restrict,command="/opt/pacha/bin/pacha serve HOST --hosts-path PATH" ssh-ed25519 BLOB root@somewhere'
OTHERS = b"# a comment\r\nssh-rsa AAAAother someone\n\n"


@dataclass(frozen=True)
class Master:
    """Its folders."""

    hosts: Path
    home: Path

    @property
    def path(self) -> bytes:
        return os.fsencode(self.hosts)

    @property
    def keys(self) -> Path:
        return self.home / ".ssh" / "authorized_keys"

    def line(self, host: str, blob: str = "AAAAkey", options: str = "") -> bytes:
        """The line of authorized_keys for ``host``."""
        line = LINE.replace("HOST", host).replace("PATH", str(self.hosts) + options).replace("BLOB", blob)
        return line.encode()

    def add(self, host: str) -> Path:
        """A host's folder with a repository, hooks and a last check."""
        (self.hosts / host / "db" / ".hg" / "store").mkdir(parents=True)
        (self.hosts / host / "last-push").write_text("{}")
        (self.hosts / ".hooks" / host / "pacha_post").mkdir(parents=True)
        (self.hosts / ".pacha").mkdir(mode=0o700, exist_ok=True)
        (self.hosts / ".pacha" / f"{host}.json").write_text("{}")
        return self.hosts / host

    def everything(self) -> dict[str, object]:
        """All of it, by path: the inode, the mode, the content."""
        found: dict[str, object] = {}
        for top in (self.hosts, self.home):
            for path in sorted(top.rglob("*")):
                status = path.lstat()
                content = path.read_bytes() if path.is_file() else None
                inode = 0 if path == self.keys else status.st_ino
                found[str(path)] = (inode, status.st_mode, content)
        return {path: what for path, what in found.items() if Path(path).name != ".retired"}


def stopping(step: Callable[..., None], *, after: bool) -> Callable[..., None]:
    """``step`` with a Ctrl-C before or ``after`` it."""

    def run(*arguments: object) -> None:
        if after:
            step(*arguments)
        raise KeyboardInterrupt

    return run


@pytest.fixture(name="master")
def master_of_this_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Master:
    made = Master(tmp_path / "hosts", tmp_path / "home")
    made.hosts.mkdir()
    (made.home / ".ssh").mkdir(parents=True)
    made.keys.write_bytes(OTHERS)
    made.keys.chmod(0o600)
    user = pwd.struct_passwd(("bar_user", "x", os.geteuid(), os.getegid(), "", str(made.home), "/bin/sh"))
    monkeypatch.setattr(moving, "account_of", lambda uid, name=None: user if name in (None, "bar_user") else None)
    return made
