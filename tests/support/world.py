"""A small world: a host that pushed to a master in a folder, and what lies around its tree."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import DamagedError
from pacha.fetch import retry
from pacha.files import content
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push
from pacha.rebuild import rebuild, result
from pacha.store import hg
from pacha.store.state import StateFolder
from tests.support.stage import changed, copy, picture

NOTE = hg.Note("spoilt", "x", 1.0)


@dataclass
class World:
    """A host that pushed to a master in a folder, and what lies around its tree."""

    top: Path

    @property
    def tree(self) -> Path:
        return self.top / "opt"

    @property
    def canary(self) -> Path:
        return self.top / "canary"

    def here(self, name: str = "fresh") -> Context:
        """A machine; the state folder of a fresh one is empty."""
        text = f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {self.top}/hosts\npacha.hostname = bar\n"
        return Context(parse_config(text), StateFolder(self.top / name))

    def repository(self, name: str) -> Path:
        return self.top / "hosts" / "bar" / name

    def store(self, name: str) -> Path:
        return self.repository(name) / ".hg" / "store"

    def spoil(self, act: Callable[[sqlite3.Connection], object]) -> None:
        """Make a newest snapshot on the master: the last one after ``act``."""
        repository = hg.Repository.open(str(self.repository("db")))
        tip = repository.heads()[0]
        path = self.top / "spoilt.db"
        path.write_bytes(repository.reader(tip)(b"pacha.db"))
        with closing(sqlite3.connect(path)) as connection:
            act(connection)
            connection.commit()
        repository.commit(tip, [b"pacha.db"], [], lambda name: hg.Blob(path.read_bytes()), NOTE)

    def execute(self, statement: str, *values: object) -> None:
        """``spoil`` by a statement of SQL; ``@below/three@`` in it is that path of the tree."""
        words = statement.split("@")
        words[1::2] = [f"x'{os.fsencode(self.tree / word if word else self.tree).hex()}'" for word in words[1::2]]
        self.spoil(lambda connection: connection.execute("".join(words), values))

    def around(self) -> dict[bytes, tuple[object, ...]]:
        """All that a rebuild must leave alone, whatever it is given."""
        return {
            name.encode() + b"/" + p: what
            for name in ("canary", "hosts")
            for p, what in picture(self.top / name).items()
        }

    def rebuild(self) -> result.Rebuilt:
        return rebuild.rebuild(self.here(), "bar")

    def refused(self, *parts: str) -> DamagedError:
        """The rebuild is refused before anything was touched, and leaves nothing."""
        before, tree, began = self.around(), picture(self.tree), time.monotonic()
        with pytest.raises(DamagedError) as caught:
            self.rebuild()
        error = caught.value
        assert changed(before, self.around()) == [] and changed(tree, picture(self.tree)) == []
        assert os.listdir(os.environ["TMPDIR"]) == []
        assert all(text.isprintable() for text in (error.message, error.why, error.hint))
        for part in parts:
            assert part in f"{error.message} {error.why} {error.hint}"
        assert time.monotonic() - began < 30
        return error


def make(top: Path) -> World:
    world = World(top)
    (world.tree / "below").mkdir(parents=True)
    (world.tree / "one").write_text("first\n")
    (world.tree / "two").write_text("two\n" * 2000)
    (world.tree / "below" / "three").write_text("three\n")
    (world.tree / "large").write_bytes(random.Random(1).randbytes(300_000))
    (world.tree / "link").symlink_to("one")
    os.link(world.tree / "two", world.tree / "below" / "again")
    os.mkfifo(world.tree / "pipe")
    world.canary.mkdir()
    (world.canary / "secret").write_text("secret\n")
    (world.canary / "secret").chmod(0o600)
    bar = world.here("bar")
    watch.watch(bar, os.fsencode(world.tree))
    for text in ("first\n", "second\n", "third\n"):
        (world.tree / "one").write_text(text)
        assert push.push(bar).failure is None
    (world.tree / "one").write_text("in the way\n")
    return world


@pytest.fixture(name="original", scope="module")
def original_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    top = tmp_path_factory.mktemp("world") / "w"
    top.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(top))
        patch.setattr(content, "WHOLE_LIMIT", 200_000)  # so that there is a file in parts
        patch.setattr(content, "PART_SIZE", 140_000)
        make(top)
    yield top


@pytest.fixture(name="world")
def one_world(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world at its place, as it was: its paths are recorded."""
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    safe = copy(original, tmp_path / "safe")
    yield World(original)
    shutil.rmtree(original)
    copy(safe, original)
