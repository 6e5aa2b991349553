"""Hosts that sign, and a master that forges: keys, an allowed-signers file, and acts on a copy of the master."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.config.signers import Signers
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push
from pacha.store import hg, statement
from pacha.store.statement import Statement
from pacha.system import signature
from pacha.system.signature import Signature
from pacha.wire import heartbeat
from tests.support.mercurial import run_hg
from tests.support.standalone import Standalone, standalone

LONG_AGO, LONG_AHEAD = "20010101", "20991231"
BAR, FOO = 'bar namespaces="snapshot@pacha,heartbeat@pacha"', 'foo namespaces="*@pacha"'


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A new key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def public(key: Path) -> str:
    """The line of its public half."""
    return key.with_name(f"{key.name}.pub").read_text().strip()


def sign(text: bytes, key: Path, namespace: str = statement.NAMESPACE) -> Signature:
    """The signature of ``text`` by ``key``."""
    return signature.sign(text, namespace, str(key))


def signers_of(*lines: str, revoked: str = "") -> Signers:
    """An allowed-signers file with these lines."""
    return Signers(name="signers", text="\n".join([*lines, ""]).encode(), revoked=revoked.encode())


@dataclass(frozen=True)
class SignedWorld:
    """The hosts bar and foo with a master that is a folder, and the keys of the good and of the bad."""

    here: Standalone

    @property
    def top(self) -> Path:
        return self.here.top

    @property
    def signers(self) -> Path:
        return self.top / "signers"

    @property
    def revoked(self) -> Path:
        return self.top / "revoked"

    def key(self, name: str) -> Path:
        """The key of a host, or of a thief; see ``make``."""
        return self.top / "keys" / name

    def machine(self, state: str, hosts: Path | None = None, **keys: str) -> Context:
        """A machine that asks for signatures; that of a fresh one knows nothing else."""
        asks = {"signers": str(self.signers), "signers_revoked": str(self.revoked)}
        return self.here.context(state, hosts_path=str(hosts or self.top / "hosts"), **{**asks, **keys})

    def host(self, name: str = "bar") -> Context:
        """The machine of a host, which signs."""
        return self.here.context(f"{name}-state", hostname=name, sign_key=str(self.key(name)))


def make(top: Path) -> SignedWorld:
    """Four snapshots of bar, one of foo."""
    world = SignedWorld(standalone(top))
    (top / "keys").mkdir(mode=0o700)
    for name in ("bar", "foo", "thief", "expired", "early", "stolen", "git"):
        make_key(world.key(name))
    lines = [
        "# who may sign",
        f"{BAR} {public(world.key('bar'))}",
        f"{FOO} {public(world.key('foo'))}",
        f'{BAR},valid-before="{LONG_AGO}" {public(world.key("expired"))}',
        f'{BAR},valid-after="{LONG_AHEAD}" {public(world.key("early"))}',
        f"{BAR} {public(world.key('stolen'))}",
        f'bar namespaces="git" {public(world.key("git"))}',
    ]
    world.signers.write_text("\n".join([*lines, ""]))
    world.revoked.write_text(f"{public(world.key('stolen'))}\n")
    other = top / "other"
    other.mkdir()
    (other / "passwd").write_text("foo\n")
    watch.watch(world.host("foo"), os.fsencode(other))
    assert push.push(world.host("foo")).failures == ()
    watch.watch(world.host(), world.here.path)
    for number in range(4):
        (world.here.tree / "one").write_text(f"{number}\n" * 50)
        (world.here.tree / f"more-{number}").write_text("more\n")
        assert push.push(world.host()).failures == ()
    return world


@dataclass(frozen=True)
class Forger:
    """Root on the master, who has no host's key: ``hosts`` is a copy of its folder."""

    world: SignedWorld
    hosts: Path

    @property
    def db(self) -> Path:
        return self.hosts / "bar" / "db"

    def nodes(self) -> list[str]:
        """The snapshots of bar, newest first."""
        return list(hg.Repository.open(str(self.db)).revisions())

    def files(self, back: int = 0, host: str = "bar") -> dict[bytes, bytes]:
        """All that is in a snapshot of ``db``, so many before the newest."""
        repository = hg.Repository.open(str(self.hosts / host / "db"))
        node = list(repository.revisions())[back]
        read = repository.reader(node)
        return {name: read(name) for name in repository.names(node)}

    def stated(self, back: int = 0) -> Statement:
        """The statement of a snapshot of bar."""
        return statement.decode(self.files(back)[statement.STATEMENT])

    def add(self, files: Mapping[bytes, bytes], *removed: bytes, at: float | None = None) -> str:
        """A newest snapshot of bar with these files changed, dated as the statement says; returns its node."""
        repository = hg.Repository.open(str(self.db))
        tip = next(repository.revisions())
        note = hg.Note("bar: 1 changed", "root@bar", repository.note(tip).at if at is None else at)
        return repository.commit(tip, files, removed, lambda name: hg.Blob(files[name]), note)

    def database(self, act: Callable[[sqlite3.Connection], object]) -> bytes:
        """The newest pacha.db after ``act``."""
        path = self.hosts / "forged.db"
        path.write_bytes(self.files()[b"pacha.db"])
        with closing(sqlite3.connect(path)) as connection:
            act(connection)
            connection.commit()
        data = path.read_bytes()
        path.unlink()
        return data

    def restate(self, key: str, namespace: str = statement.NAMESPACE, **changes: object) -> dict[bytes, bytes]:
        """The newest statement after ``changes``, signed by ``key``."""
        text = statement.encode(replace(self.stated(), **changes))  # type: ignore[arg-type]
        signed = sign(text, self.world.key(key), namespace)
        return {statement.STATEMENT: text, statement.SIGNATURE: signed.armored}

    def set_back(self, number: int) -> None:
        """Remove so many of the newest snapshots of bar."""
        node = self.nodes()[number - 1]
        run_hg("--config", "extensions.strip=", "-R", str(self.db), "strip", "--no-backup", "-q", node)

    @property
    def beat(self) -> Path:
        """The heartbeat of bar."""
        return self.hosts / "bar" / "last-push"

    def rewrite(self, **changes: object) -> None:
        """Change the heartbeat; None takes a field away."""
        line = {**json.loads(self.beat.read_text()), **changes}
        self.beat.write_text(json.dumps({key: value for key, value in line.items() if value is not None}) + "\n")

    def say(self, key: str, namespace: str = heartbeat.NAMESPACE, **changes: object) -> None:
        """The signed word after ``changes``, signed by ``key``."""
        signed = heartbeat.parse(self.beat.read_bytes()).signed
        assert signed is not None
        text = heartbeat.encode_word(replace(signed.word, **changes))  # type: ignore[arg-type]
        self.rewrite(**heartbeat.signed_fields(text, sign(text, self.world.key(key), namespace)))

    def exchange(self, host: str) -> None:
        """Put another host's folder in the place of bar's."""
        shutil.rmtree(self.hosts / "bar")
        shutil.copytree(self.hosts / host, self.hosts / "bar", symlinks=True)
