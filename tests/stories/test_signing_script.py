"""The script of docs/signing.rst verifies a snapshot with hg, ssh-keygen, sqlite3 and sha256sum alone."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from pacha.push import push
from pacha.store import hg
from tests.support.sealing import sealers
from tests.support.signing import Forger, make

PAGE = Path(__file__).resolve().parents[2] / "docs/signing.rst"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def script() -> str:
    found = re.search(r"^\.\. code-block:: sh\n\n((?:    .*\n)+)", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found
    return textwrap.dedent(found[1])


def test_it_accepts_what_was_signed_and_nothing_else(tmp_path: Path) -> None:
    world = make(tmp_path.resolve())
    forger = Forger(world, world.top / "hosts")

    def verified(host: str = "bar", revision: str = "tip", folder: str = "") -> bool:
        where = str(forger.hosts / (folder or host))
        command = ["sh", "-c", script(), "verify", where, host, str(world.signers), revision]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode == 0 and f'Good "snapshot@pacha" signature for {host}' in done.stdout

    assert len(script().splitlines()) <= 12
    assert verified() and verified(revision="0") and verified("foo")
    assert not verified("bar", folder="foo")
    content = next((forger.hosts / "bar/foo/.hg/store/data").rglob("one.i"))
    good = content.read_bytes()
    content.write_bytes(good[:-3] + b"abc")
    assert not verified()
    content.write_bytes(good)
    forger.add({b"machine": b"another\n"})
    assert not verified()
    forger.add({b"pacha.db": forger.database(lambda one: one.execute("UPDATE entry SET uid = 7")), b"machine": b""})
    assert not verified() and verified(revision="3")
    forger.set_back(2)
    people = sealers(world.top / "people")
    (world.here.tree / "one.key").write_text("secret\n")
    settings = {"hostname": "bar", "sign_key": str(world.key("bar")), "seal": "*.key", **people.settings}
    assert push.push(world.here.context("bar-state", **settings)).failures == ()
    assert verified() and verified(revision="0")
    sealed = next((forger.hosts / "bar/foo/.hg/store/data").rglob("one.key.i"))
    sealed.write_bytes(b"".join([(whole := sealed.read_bytes())[:-3], b"abc"]))
    assert not verified()
    sealed.write_bytes(whole)
    repository = hg.Repository.open(str(forger.hosts / "bar/foo"))
    node = repository.commit(repository.heads()[0], [b"one.key"], [], lambda name: hg.Blob(b"x"), hg.Note("", "x", 1.0))
    statement = "UPDATE watched SET node = ?"
    forger.add({b"pacha.db": forger.database(lambda one: one.execute(statement, (node,)))})
    assert not verified()
