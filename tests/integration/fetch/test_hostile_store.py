"""What a hostile or decayed master holds: a rebuild from it is refused by name, or does no harm and says so."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sqlite3
import stat
import struct
from contextlib import closing
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.store import hg
from pacha.system import memory_limit
from tests.support.stage import changed
from tests.support.world import NOTE, World, one_world, original_world  # noqa: F401  (fixtures)

pytestmark = [
    pytest.mark.usefixtures("as_root"),
    # Mercurial leaves files of its own open for the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_world_comes_back(world: World) -> None:
    done = world.rebuild()
    assert done.adopted and not done.concerns
    assert (world.tree / "one").read_text() == "third\n"


# -- a db of something else


def test_the_database_of_the_original_pacha_is_not_called_damaged(world: World) -> None:
    def as_it_was(connection: sqlite3.Connection) -> None:
        for table in ("meta", "watched", "parent", "entry", "account"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("CREATE TABLE repos (id INTEGER PRIMARY KEY, path TEXT, permissions TEXT)")

    world.spoil(as_it_was)
    error = world.refused("not written by this Pacha", "no table 'meta', but repos", "from-pacha-0.2")
    assert "damaged" not in error.message + error.why


def test_a_db_of_something_else_is_not_called_damaged(world: World) -> None:
    repository = hg.Repository.open(str(world.repository("db")))
    node = repository.commit(repository.heads()[0], [b"notes"], [b"pacha.db"], lambda name: hg.Blob(b"x"), NOTE)
    error = world.refused("not written by this Pacha", f"its revision {node[:12]} has no pacha.db")
    assert "damaged" not in error.message + error.why


# -- rows that do not go together

INSERT = (
    "INSERT INTO {0} (watched, path, kind, mode, uid, gid, mtime_ns, size, sha256, target, xattrs, flags, stored,"
    " parts) VALUES (1, {1}, ?, 420, 0, 0, 1, 0, ?, ?, '', 0, ?, 0)"
)
EMPTY = hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("@one/x@", "d"), ("@link/x@", "d"), ("@link/canary@", "p"), ("@pipe/x@", "f"), ("@none/x@", "d"),
        ("@below/three/x/y@", "d"), ("@.pacha-kept-1@", "d"), ("@below/.pacha-0123456789abcdef@", "p"),
        ("@../canary/x@", "p"), ("x'2f6574632f736861646f77'", "f"), ("x'2f'", "d"), ("@a\0b@", "p"), ("@@", "p"),
    ],
)  # fmt: skip
def test_an_entry_where_none_can_be(world: World, path: str, kind: str) -> None:
    content = (EMPTY, None, b"x") if kind == "f" else (None, None, None)
    world.execute(INSERT.format("entry", path), kind, *content)
    world.refused("pacha.db")


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        ("UPDATE entry SET mode = 262143 WHERE path = @one@", "mode"),
        ("UPDATE entry SET uid = -1 WHERE path = @one@", "uid"),
        ("UPDATE entry SET kind = 'l', target = x'78' WHERE path = @below@", "lies in no directory"),
        ("UPDATE entry SET sha256 = zeroblob(32) WHERE path = @one@", "one"),
        ("UPDATE entry SET size = 9223372036854775807 WHERE path = @one@", "one"),
        ("UPDATE entry SET stored = x'74776f' WHERE path = @one@", "one"),
        ("UPDATE entry SET stored = x'6e6f6e65' WHERE path = @one@", "opt"),
        ("UPDATE entry SET parts = 999999 WHERE path = @one@", "opt"),
        ("UPDATE entry SET parts = 1 WHERE path = @one@", "opt"),
        ("UPDATE watched SET node = NULL", "in no repository"),
        ("UPDATE watched SET repository = 'none'", "none"),
        ("UPDATE watched SET path = CAST(path || '/' || hex(zeroblob(3000)) AS BLOB)", "longer than a path"),
        ("DELETE FROM entry WHERE path = @below@", "lies in no directory"),
    ],
)
def test_a_snapshot_that_lies(world: World, statement: str, part: str) -> None:
    world.execute(statement)
    assert "--at" in world.refused(part).hint


XATTRS = json.dumps(
    [
        [name.hex(), "ff00"]
        for name in (b"security.evil", b"trusted.overlay.opaque", b"system.posix_acl_access", b"no.x")
    ]
)
HARMLESS = {
    "an owner that is none": "UPDATE entry SET owner = x'2d6f', grp = x'0a' WHERE path = @one@",
    "a link to somewhere else": "UPDATE entry SET target = x'2f6574632f736861646f77' WHERE path = @link@",
    "another name in other letters": INSERT.format("entry", "@ONE@").replace("?", "'p'", 1).replace("?", "NULL"),
    "a device of no driver": "UPDATE entry SET kind = 'b', device = 9223372036854775807 WHERE path = @pipe@",
    "a time at the end of days": f"UPDATE entry SET mtime_ns = x'{(b'9' * 20).hex()}' WHERE path = @one@",
    "attributes of the system": f"UPDATE entry SET xattrs = '{XATTRS}' WHERE path = @one@",
    "an attribute without end": f"UPDATE entry SET xattrs = '[[\"{'75' * 9000}2e75\",\"00\"]]' WHERE path = @one@",
    "a name that is too long": INSERT.format("entry", f"@{'n' * 300}@").replace("?", "'p'", 1).replace("?", "NULL"),
    "hard links of different kinds": "UPDATE entry SET link_group = 7 WHERE path IN (@one@, @link@, @pipe@, @below@)",
    "hard links of different contents": "UPDATE entry SET link_group = 7 WHERE path IN (@one@, @two@, @below/three@)",
    "every flag": "UPDATE entry SET flags = 4294967295",
    "setuid everywhere": "UPDATE entry SET mode = 3565 WHERE kind = 'f'",
}  # fmt: skip


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_is_odd_but_possible_is_done_or_named(world: World, statement: str) -> None:
    before = world.around()
    world.execute(statement)
    for name in ("hosts/bar/db",):  # the spoilt snapshot itself
        before = {path: what for path, what in before.items() if not path.startswith(name.encode())}
    done = world.rebuild()
    now = world.around()
    assert [c for c in changed(before, now) if not c[0].startswith(b"hosts/bar/db")] == []
    for name, text in (("one", "third\n"), ("two", "two\n" * 2000), ("below/three", "three\n")):
        path = world.tree / name
        assert path.is_file() and not path.is_symlink() and path.read_text() == text
    assert stat.S_ISFIFO(os.lstat(world.tree / "pipe").st_mode) or done.concerns
    if "link_group = 7" in statement:
        assert "not a hard link" in str(done.concerns)


def test_a_database_that_takes_more_memory_than_there_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_limit, "_free", lambda: 100 << 20)
    world.spoil(lambda connection: connection.execute("UPDATE entry SET xattrs = hex(zeroblob(15000000))"))
    world.refused()


# -- what a repository may hold


def test_configuration_beside_the_store_is_not_even_fetched(world: World) -> None:
    mark = world.canary / "PWNED"
    for name in ("db", "opt"):
        folder = world.repository(name) / ".hg"
        evil = folder / "evil.py"
        evil.write_text(f"open({str(mark)!r}, 'w')\n")
        lines = "\n".join(f"{hook} = touch {mark}" for hook in ("pre-serve", "preupdate", "pretxnopen", "prelistkeys"))
        text = (
            f"[extensions]\nevil = {evil}\n[hooks]\n{lines}\n[alias]\nserve = !touch {mark}\n[ui]\nssh = touch {mark}\n"
        )
        for file in ("hgrc", "hgrc-not-shared", "store/hgrc"):
            (folder / file).write_text(text)
        (folder / "sharedpath").write_text(str(world.canary))
        (folder / "store" / "undo").write_text("x")
        (folder / "store" / "journal").write_text("x")
    before = world.around()
    assert not world.rebuild().concerns
    assert not mark.exists() and changed(before, world.around()) == []


@pytest.mark.parametrize("word", ["shared", "relshared", "lfs", "largefiles", "narrowhg-experimental", "treemanifest",
    "exp-of-the-future", "\x1b[2J", "share-safe", "dirstate-v2", "exp-compression-zstd"])  # fmt: skip
@pytest.mark.parametrize("name", ["db", "opt"])
def test_a_format_that_is_odd(world: World, word: str, name: str) -> None:
    folder = world.repository(name) / ".hg"
    mark = world.canary / "PWNED"
    (folder / "sharedpath").write_text(str(world.canary))
    (folder / "hgrc").write_text(
        f"[hooks]\nincoming = touch {mark}\npre-transaction = touch {mark}\n[lfs]\nurl = file:///\n"
    )
    for file in (folder / "requires", folder / "store" / "requires"):
        with open(file, "a") as stream:
            stream.write(f"{word}\n")
    before = world.around()
    try:
        world.rebuild()
    except DamagedError as error:
        assert (error.message + error.why + error.hint).isprintable()
    assert changed(before, world.around()) == []


@pytest.mark.parametrize("kind", ["link", "folder link", "dangling link", "FIFO", "socket", "directory", "device"])
@pytest.mark.timeout(60)
def test_a_file_of_the_store_that_is_none(world: World, kind: str) -> None:
    place = world.store("opt") / "data" / "one.i"
    if kind == "folder link":
        place = world.store("opt") / "data"
        shutil.rmtree(place)
        place.symlink_to("/etc")
        world.refused("opt")
        return
    secret = world.canary / "one.i"
    os.rename(place, secret)
    if kind.endswith("link"):
        place.symlink_to(secret if kind == "link" else "/nowhere")
    elif kind == "FIFO":
        os.mkfifo(place)
    elif kind == "socket":
        with closing(socket.socket(socket.AF_UNIX)) as made:
            made.bind(str(place.relative_to(Path.cwd()) if len(str(place)) > 100 else place))
    elif kind == "directory":
        place.mkdir()
    else:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    world.refused("one" if kind != "directory" else "opt")


def test_subrepositories_and_merge_tools_are_content_like_any_other(world: World) -> None:
    repository = hg.Repository.open(str(world.repository("opt")))
    files = {
        b".hgsub": f"sub = [git]ext::sh -c touch% {world.canary}/PWNED\n".encode(),
        b".hgsubstate": b"1" * 40 + b" sub\n",
        b".hgtags": b"1" * 40 + b" tag\n",
    }
    node = repository.commit(repository.heads()[0], files, [], lambda name: hg.Blob(files[name]), NOTE)
    world.spoil(lambda connection: connection.execute("UPDATE watched SET node = ?", (node,)))
    world.rebuild()
    assert not (world.canary / "PWNED").exists() and not (world.tree / ".hgsub").exists()


def bomb(path: Path, size: int) -> None:
    """Make the newest revision of a file log expand to ``size`` zeros, whatever its index says."""
    from mercurial import zstd  # type: ignore[attr-defined]

    packer = zstd.ZstdCompressor(level=19).compressobj()
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    node = path.read_bytes()[32:52]
    entry = struct.pack(">Qiiiiii20s12x", 0, len(data), 6, 0, 0, -1, -1, node)
    path.write_bytes(struct.pack(">I", 0x30001) + entry[4:] + data)


def test_a_revision_that_expands_without_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_limit, "_free", lambda: 300 << 20)
    bomb(world.store("opt") / "data" / "one.i", 2 << 30)
    world.refused()


def test_names_without_end(world: World) -> None:
    with open(world.store("opt") / "fncache", "ab") as stream:
        stream.write(b"data/../../../../canary/x.i\n" * 500_000)
    before = world.around()
    assert not world.rebuild().concerns
    assert changed(before, world.around()) == []
