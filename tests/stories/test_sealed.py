"""What is sealed is nowhere in the clear, comes back with an identity, and nothing that a master does opens it."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pyrage
import pytest

from tests.support.amount import amount, by_turns
from tests.support.canaries import found
from tests.support.forger import forge
from tests.support.mercurial import run_hg
from tests.support.sealing import Sealers, new_identity, sealers
from tests.support.stage import Host, Stage, said
from tests.support.trees import unequal

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
LARGE = (16 << 20) + 4096
CANARIES = 50
FILES = int(amount("PACHA_SEALED_FILES", sample=100, soak=200))


@dataclass
class Vault:
    """A host that watches ``top``, of which a part is sealed; ``canaries`` stand in what is sealed alone."""

    host: Host
    top: Path
    people: Sealers
    canaries: list[bytes] = field(default_factory=list)

    @property
    def sealed(self) -> Path:
        """The folder of which everything is sealed."""
        return self.top / "private"

    def canary(self) -> bytes:
        """Another secret."""
        self.canaries.append(secrets.token_hex(16).encode())
        return self.canaries[-1]

    def kept(self) -> list[Path]:
        """Everything that keeps anything of this host."""
        return [self.host.stage.hosts, self.host.state, self.host.temporary]

    def rows(self) -> dict[str, tuple[bytes, bytes | None]]:
        """The digest of each file, and what says that it is sealed, by its name below the top."""
        with closing(sqlite3.connect(self.host.state / "pacha.db")) as database:
            rows = database.execute("SELECT path, sha256, sealed FROM entry WHERE kind = 'f'").fetchall()
        return {os.fsdecode(path)[len(str(self.top)) + 1 :]: (sha, sealed) for path, sha, sealed in rows}


def vault(stage: Stage, name: str = "bar", people: Sealers | None = None, secret: bytes = b"") -> Vault:
    """The same, which has pushed nothing yet."""
    host, top = stage.host(name), stage.folder / "opt" / name
    people = people or sealers(stage.folder / "people")
    made = Vault(host, top, people)
    made.sealed.mkdir(parents=True)
    (top / "plain").write_text("plain\n")
    (made.sealed / "key").write_bytes(secret or made.canary() + b"\n")
    host.configure(seal="private/ *.key", **people.settings)
    host.watch(top)
    return made


def plant(made: Vault) -> None:
    """Fifty secrets: in files, text and binary, in parts of a large one, in attributes, behind a second name."""
    for number in range(CANARIES - 8):
        noise = os.urandom(3000) if number % 3 == 0 else b"# a line\n" * number
        (made.sealed / f"s{number}").write_bytes(noise + made.canary() + noise)
    with open(made.sealed / "large", "wb") as large:
        for _ in range(4):
            large.write(made.canary() * 4 + os.urandom(LARGE // 4))
    for name in ("key", "large", "s1"):
        os.setxattr(made.sealed / name, "user.note", made.canary())
    os.setxattr(made.sealed / "s2", "trusted.note", b"trusted")
    os.link(made.sealed / "s3", made.top / "another-name")
    os.chown(made.sealed / "s4", 1234, 4321)
    (made.sealed / "s5").chmod(0o4640)
    (made.sealed / "empty").touch()
    assert len(made.canaries) == CANARIES


def test_fifty_secrets_are_nowhere_in_the_clear_and_come_back(stage: Stage) -> None:
    made = vault(stage)
    plant(made)
    made.host.push()
    (made.sealed / "s1").write_bytes(b"changed " + made.canaries[2])
    (made.top / "plain").write_text("more\n")
    made.host.push()
    assert made.host.push("-v").out.count("nothing changed") == 1
    assert {bool(sealed) for name, (_, sealed) in made.rows().items() if name != "plain"} == {True}
    assert set(found(made.canaries[:2], made.sealed)) == set(made.canaries[:2]), "the search finds what is there"
    original = made.top.with_name("as it was")
    os.rename(made.top, original)
    fresh = Host(stage, stage.folder / "fresh", "bar")
    fresh.configure(seal="private/ *.key", **made.people.settings)
    without = fresh.rebuild(code=3)
    names = sorted(name for name in made.rows() if name != "plain")
    assert [line for line in without.lines if "it is sealed" not in line] == []
    assert sorted(line.split(": ")[1][len(str(made.top)) + 1 :] for line in without.lines) == names
    assert (made.top / "plain").read_text() == "more\n" and sorted(os.listdir(made.top)) == ["plain", "private"]
    tip = len(stage_log(stage))
    owed = fresh.push(code=3)
    assert owed.err.count("is owed by the last rebuild") == len(names)
    fresh.rebuild("--identity", str(made.people.offline))
    assert unequal(original, made.top) == []
    fresh.push()
    assert fresh.push().out.count("nothing changed") == 1
    assert len(stage_log(stage)) == tip + 1, "what came back is not sealed anew"
    assert found(made.canaries, *made.kept(), fresh.state, fresh.temporary) == {}
    assert fresh.pacha("verify").must().out.count("as in the last snapshot") == 1


def stage_log(stage: Stage) -> list[str]:
    """The snapshots of bar."""
    return run_hg("-R", str(stage.hosts / "bar" / "db"), "log", "--template", "{node}\n").split()


def test_two_hosts_with_one_secret_share_nothing_of_it(stage: Stage) -> None:
    one = vault(stage, "bar", secret=b"the same secret\n")
    two = vault(stage, "baz", one.people, secret=b"the same secret\n")
    for made in (one, two):
        (made.sealed / "copy").write_bytes(b"the same secret\n")
        made.host.push()
    rows = [row for made in (one, two) for name, row in made.rows().items() if name != "plain"]
    assert len(rows) == 4 and len({sha for sha, _ in rows}) == 4
    assert len({sealed[:32] for _, sealed in rows if sealed}) == 4
    assert found([b"the same secret"], stage.hosts, one.host.state, two.host.state) == {}


def test_other_recipients_are_named_and_everything_is_sealed_anew(stage: Stage) -> None:
    made = vault(stage)
    made.host.push()
    before = made.rows()
    third = new_identity(made.people.folder / "third")
    made.people.recipients.write_text(f"{third}\n{new_identity(made.people.folder / 'fourth')}\n")
    said(made.host.push(code=3), "names others than at the last push")
    after = made.rows()
    assert all(after[name][0] != before[name][0] for name in after if name != "plain")
    check = ("seal", "--check", "--identity")
    made.host.pacha(*check, made.people.folder / "third").must()
    said(made.host.pacha(*check, made.people.offline).must(3), "no identity that was given opens")
    made.host.push()
    assert made.rows() == after
    first = stage_log(stage)[-1]
    made.host.pacha(*check, made.people.offline, "--at", first).must()
    made.people.recipients.write_text("ssh-ed25519 nonsense\n")
    said(made.host.push(code=10), "Line 1", "nothing was pushed")
    made.people.recipients.unlink()
    said(made.host.push(code=10), "cannot be read", "nothing was pushed")


def test_what_was_in_the_clear_before_is_purged(stage: Stage) -> None:
    made = vault(stage)
    made.host.configure(seal="nothing.yet")
    made.host.push()
    made.host.configure(seal="private/")
    made.host.push()
    assert set(found(made.canaries, *made.kept())) == set(made.canaries)
    root = Host(stage, stage.folder / "root", "bar")
    root.configure(hostname="master")
    root.pacha("purge", "bar", made.sealed, "--before", stage_log(stage)[0], "--yes").must()
    made.host.push(code=3)
    assert found(made.canaries, *made.kept()) == {}
    made.host.pacha("seal", "--check", "--identity", made.people.offline).must()


def test_its_history_is_told_without_an_identity(stage: Stage) -> None:
    made = vault(stage)
    made.host.push()
    (made.sealed / "key").write_bytes(made.canary() + b"\n")
    (made.sealed / "new").write_bytes(made.canary() + b"\n")
    key = made.sealed / "key"
    for done in (made.host.pacha("diff"), (made.host.push(), made.host.pacha("log", "-p", key))[1]):
        assert "sealed content (changed)" in done.must().out
    root = Host(stage, stage.folder / "root", "bar")
    root.configure(hostname="master")
    said(made.host.pacha("cat", key).must(3), "is sealed")
    assert made.host.pacha("cat", key, "--identity", made.people.at_hand).must().out.encode() == key.read_bytes()
    said(made.host.pacha("annotate", key).must(2), "its content is sealed")
    assert "rehearsed: snapshot" in root.pacha("check", "bar", "--rehearse").must().out
    assert "passed over" in root.pacha("grep", "e").must(0).err
    assert root.pacha("grep", "--history", "e", "--hosts", "bar").out.count("private") == 0
    for words in (("find", "key"), ("changes",), ("hosts",), ("drift", str(made.top))):
        assert root.pacha(*words).code in (0, 3)
    archive = made.host.pacha("export", "bar")
    assert archive.code == 3 and archive.err.count("not in the archive: it is sealed") == 2
    assert not any(canary.decode() in archive.out for canary in made.canaries)
    assert found(made.canaries, *made.kept()) == {}


def test_a_passphrase_and_standard_input(stage: Stage) -> None:
    made = vault(stage)
    made.host.push()
    text = made.people.at_hand.read_bytes()
    target = made.host.folder / "out"
    done = made.host.pacha("rebuild", "bar", "--yes", "--target", target, "--identity", "-", stdin=text)
    done.must()
    assert Path(f"{target}{made.sealed}/key").read_bytes() == (made.sealed / "key").read_bytes()
    said(made.host.pacha("seal", "--check").must(2), "needs an identity")
    assert str(made.sealed / "key") in made.host.pacha("seal").must().out


Act = Callable[[Vault, sqlite3.Connection], object]


def _execute(statement: str, *values: object) -> Act:
    return lambda made, database: database.execute(statement, tuple(values))


_OF_KEY = "WHERE CAST(path AS TEXT) LIKE '%/private/key'"
_OF_OTHER = "(SELECT {} FROM entry WHERE CAST(path AS TEXT) LIKE '%/private/other')"
#: What a master does to the rows of a snapshot: what is refused as damage.
REFUSED: dict[str, Act] = {
    "a sealed path is said to be in the clear": _execute(f"UPDATE entry SET sealed = NULL {_OF_KEY}"),
    "sealed content of another path": _execute(
        f"UPDATE entry SET stored = {_OF_OTHER.format('stored')}, sealed = {_OF_OTHER.format('sealed')} {_OF_KEY}"
    ),
    "content and digest of another path": _execute(
        f"UPDATE entry SET stored = {_OF_OTHER.format('stored')}, sealed = {_OF_OTHER.format('sealed')}, "
        f"sha256 = {_OF_OTHER.format('sha256')} {_OF_KEY}"
    ),
    "another digest": _execute(f"UPDATE entry SET sha256 = zeroblob(32) {_OF_KEY}"),
    "another digest of what is stored": _execute(
        f"UPDATE entry SET sealed = CAST(zeroblob(32) || substr(sealed, 33) AS BLOB) {_OF_KEY}"
    ),
    "another size": _execute(f"UPDATE entry SET size = size + 1 {_OF_KEY}"),
    "a seal too short": _execute(f"UPDATE entry SET sealed = zeroblob(8) {_OF_KEY}"),
    "a sealed folder": _execute("UPDATE entry SET sealed = zeroblob(40) WHERE kind = 'd'"),
    "an attribute beside the sealed ones": _execute(
        f'UPDATE entry SET xattrs = \'[["757365722e78", "78"]]\' {_OF_KEY}'
    ),
    "a clear file is said to be sealed": _execute(
        "UPDATE entry SET sealed = CAST(sha256 || zeroblob(8) AS BLOB) WHERE CAST(path AS TEXT) LIKE '%/plain'"
    ),
    "other keys": _execute("UPDATE meta SET value = hex(zeroblob(32)) WHERE key = 'seal-keys_sha256'"),
}


def test_a_master_that_forges_rows_is_refused(stage: Stage) -> None:
    made = vault(stage)
    (made.sealed / "other").write_bytes(b"x" * len((made.sealed / "key").read_bytes()))
    made.host.push()
    whole = shutil.copytree(stage.hosts, stage.folder / "whole")
    fresh = Host(stage, stage.folder / "fresh", "bar")
    for name, act in by_turns(list(REFUSED.items()), 4):
        forge(made.host, lambda database, act=act: act(made, database))  # type: ignore[misc]
        out = fresh.folder / "out"
        done = fresh.pacha("rebuild", "bar", "--yes", "--target", out, "--identity", made.people.at_hand)
        expected = 3 if name == "a clear file is said to be sealed" else 13
        assert done.code == expected, (name, done.err)
        assert expected == 3 or not (fresh.folder / "out").exists(), name
        shutil.rmtree(fresh.folder / "out", ignore_errors=True)
        again(stage, whole)


def again(stage: Stage, whole: Path) -> None:
    """The master as it was."""
    shutil.rmtree(stage.hosts)
    shutil.copytree(whole, stage.hosts)
    for path in (stage.hosts / "bar", *(stage.hosts / "bar").rglob("*")):
        os.chown(path, stage.account.uid, stage.account.gid)


def test_a_secret_replaced_by_a_clear_one_is_named_in_the_plan(stage: Stage) -> None:
    """A master that writes what it likes: content of its own under a sealed path, in the clear."""
    made = vault(stage)
    made.host.push()
    node = own_content(made, "private/key", b"of the master\n")

    def act(database: sqlite3.Connection) -> None:
        digest = sha256(b"of the master\n").digest()
        database.execute(f"UPDATE entry SET sealed = NULL, sha256 = ?, size = 14 {_OF_KEY}", (digest,))
        database.execute("UPDATE watched SET node = ?", (node,))

    forge(made.host, act)
    fresh = Host(stage, stage.folder / "fresh", "bar")
    target = ("--target", fresh.folder / "out")
    named = fresh.pacha("rebuild", "bar", "--dry-run", *target, "--identity", made.people.at_hand)
    said(named.must(3), "nothing is sealed in the snapshot")
    fresh.configure(seal="private/", **made.people.settings)
    said(fresh.pacha("rebuild", "bar", "--dry-run", *target).must(3), "is not sealed in the snapshot", "a forgery")
    said(made.host.pacha("rebuild", "bar", "--dry-run").must(3), "is not sealed in the snapshot")


def own_content(made: Vault, name: str, data: bytes) -> str:
    """Commit ``data`` under ``name`` to the content on the master; returns the node."""
    repository, clone = made.host.repository("bar"), made.host.stage.folder / "clone"
    run_hg("clone", "-q", str(repository), str(clone))
    (clone / name).write_bytes(data)
    run_hg("-R", str(clone), "commit", "-q", "-u", "root", "-m", "x")
    run_hg("-R", str(repository), "pull", "-q", str(clone))
    node = run_hg("-R", str(clone), "log", "-r", ".", "--template", "{node}")
    shutil.rmtree(clone)
    for path in (repository, *repository.rglob("*")):
        os.chown(path, made.host.stage.account.uid, made.host.stage.account.gid)
    return node


@pytest.mark.parametrize("how", by_turns(["cut short", "exchanged", "for another key"], 3))
def test_what_is_stored_is_exchanged(stage: Stage, how: str) -> None:
    made = vault(stage)
    (made.sealed / "other").write_bytes(b"other\n")
    made.host.push()
    clone = stage.folder / "look"
    run_hg("clone", "-q", str(made.host.repository("bar")), str(clone))
    key, other = ((clone / "private" / name).read_bytes() for name in ("key", "other"))
    shutil.rmtree(clone)
    of_its_own = pyrage.encrypt(b"of the master", [pyrage.x25519.Identity.generate().to_public()])
    stored = {"cut short": key[:-20], "exchanged": other, "for another key": of_its_own}[how]
    node = own_content(made, "private/key", stored)
    digest = sha256(stored).digest()

    def act(database: sqlite3.Connection) -> None:
        database.execute("UPDATE watched SET node = ?", (node,))
        database.execute(f"UPDATE entry SET sealed = CAST(? || substr(sealed, 33) AS BLOB) {_OF_KEY}", (digest,))

    forge(made.host, act)
    fresh = Host(stage, stage.folder / "fresh", "bar")
    before = os.urandom(8)
    place = Path(f"{fresh.folder}/out{made.sealed}")
    place.mkdir(parents=True)
    (place / "key").write_bytes(before)
    done = fresh.pacha("rebuild", "bar", "--yes", "--target", fresh.folder / "out", "--identity", made.people.at_hand)
    assert done.code in (3, 13), done.err
    assert str(made.sealed / "key") in done.err
    assert (place / "key").read_bytes() == before, "the old file stays"


def test_sealing_costs_little(stage: Stage) -> None:
    """So many files of 4 KiB: the first push with and without a seal, and an idle one."""
    took = {}
    for name, seal in (("clear", ""), ("sealed", "private/")):
        made = vault(stage, f"host-{name}", sealers(stage.folder / "people"))
        made.host.configure(seal=seal or "nothing.at.all")
        for number in range(FILES):
            (made.sealed / f"f{number}").write_bytes(os.urandom(4096))
        began = time.monotonic()
        made.host.push()
        middle = time.monotonic()
        made.host.push()
        took[name] = (middle - began, time.monotonic() - middle)
    print(FILES, "files", {name: [round(each, 3) for each in times] for name, times in took.items()})
    assert took["sealed"][0] - took["clear"][0] < 1.5, took
