"""Several hosts on one master in a folder of this machine, each with a tree at the same path."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push
from pacha.store import hg
from pacha.store.state import StateFolder
from tests.support.commanding import run_captured


@dataclass(frozen=True)
class Hosts:
    """The hosts of the master ``top/hosts``, which all keep ``top/etc``."""

    top: Path

    @property
    def tree(self) -> Path:
        """What each host watches."""
        return self.top / "etc"

    @property
    def hosts_path(self) -> bytes:
        """The master's folder of hosts."""
        return os.fsencode(self.top / "hosts")

    def path(self, name: str) -> bytes:
        """A path in the tree, as Pacha has it."""
        return os.fsencode(self.tree / name)

    def context(self, host: str) -> Context:
        """A host, or the master itself."""
        text = f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {self.top}/hosts\npacha.hostname = {host}\n"
        return Context(parse_config(text, self.top / "pacha.conf"), StateFolder(self.top / f"state-{host}"))

    def push(self, host: str, files: Mapping[str, str | bytes], message: str = "") -> str:
        """Make a snapshot of a host whose tree has these files; returns its node."""
        if self.tree.exists():
            shutil.rmtree(self.tree)
        self.tree.mkdir(parents=True)
        self.tree.chmod(0o755)
        for name, text in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            path.chmod(0o644)
            path.parent.chmod(0o755)
        return self.push_tree(host, message)

    def push_tree(self, host: str, message: str = "") -> str:
        """Make a snapshot of a host whose tree is as it is now; returns its node."""
        context = self.context(host)
        if not context.state.path.exists():
            watch.watch(context, os.fsencode(self.tree))
        pushed = push.push(context, message=message)
        assert pushed.failures == () and pushed.tip
        return pushed.tip

    def forge(self, host: str, act: Callable[[sqlite3.Connection], object], at: float = 1e9) -> None:
        """Make a newest snapshot of a host: the last one after ``act``."""
        repository = hg.Repository.open(str(self.top / "hosts" / host / "db"))
        path = self.top / "forged.db"
        path.write_bytes(repository.reader(repository.heads()[0])(b"pacha.db"))
        with closing(sqlite3.connect(path)) as connection, connection:
            act(connection)
        blob = hg.Blob(path.read_bytes())
        note = hg.Note("\x1b[31mforged", "mallory\x07", at)
        repository.commit(repository.heads()[0], [b"pacha.db"], [], lambda name: blob, note)


def three(top: Path) -> Hosts:
    """web1 and web2, which are alike but for one file, and db1."""
    made = Hosts(top)
    common = {"motd": "welcome\n", "ssh/sshd_config": "Port 22\nPermitRootLogin no\n"}
    made.push("web1", {**common, "nginx.conf": "listen 80\n"})
    made.push("web2", {**common, "nginx.conf": "listen 8080\n"})
    made.push("db1", {"motd": "welcome\n", "ssh/sshd_config": "Port 22\nPermitRootLogin yes\n"})
    return made


PUSHED = pytest.StashKey[Hosts]()


@pytest.fixture(name="original_hosts", scope="session")
def hosts_as_pushed(pytestconfig: pytest.Config) -> Hosts:
    """The three hosts, pushed once, in folders that others may enter: what is below a closed one counts as secret.

    Once for all modules of a process: a fixture that is imported is another one in each, whatever its scope.
    """
    if PUSHED not in pytestconfig.stash:
        folder = tempfile.TemporaryDirectory(prefix="pacha-hosts-")
        pytestconfig.add_cleanup(folder.cleanup)
        os.chmod(folder.name, 0o711)
        pushed = three(Path(folder.name).resolve() / "top")
        pushed.top.rename(pushed.top.with_name("as-pushed"))
        pytestconfig.stash[PUSHED] = pushed
    return pytestconfig.stash[PUSHED]


@pytest.fixture(name="hosts")
def three_hosts(original_hosts: Hosts) -> Iterator[Hosts]:
    """A copy of them for each test, at their place, which is recorded in them."""
    shutil.copytree(original_hosts.top.with_name("as-pushed"), original_hosts.top, symlinks=True)
    yield original_hosts
    shutil.rmtree(original_hosts.top)


@dataclass(frozen=True)
class MasterShell:
    """The commands of pacha on the master."""

    hosts: Hosts
    capture: pytest.CaptureFixture[bytes]

    def both(self, *words: str | Path, code: int = 0) -> tuple[str, str]:
        """Run ``pacha`` with ``words``, which must end with ``code``; returns both its outputs."""
        return run_captured(self.capture, words, code)

    def run(self, *words: str | Path, code: int = 0) -> str:
        """The same; returns standard output."""
        return self.both(*words, code=code)[0]


@pytest.fixture(name="mercurial_is_loaded", scope="session")
def loaded() -> None:
    """Import it before a test takes the standard streams, of which it keeps those that it finds."""
    hg.load()


@pytest.fixture(name="master")
def master_shell(
    mercurial_is_loaded: None,
    hosts: Hosts,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> MasterShell:
    """The master of the three hosts, with a configuration that the commands find."""
    config = hosts.top / "pacha.conf"
    config.write_text(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {hosts.top}/hosts\npacha.hostname = master\n")
    monkeypatch.setenv("PACHA_CONFIG", str(config))
    monkeypatch.setenv("PACHA_STATE", str(hosts.top / "state-master"))
    monkeypatch.setenv("PACHA_PAGER", "cat")
    return MasterShell(hosts, capfdbinary)
