"""Mercurial's protocol as ``pacha serve`` speaks it: history grows, and is neither removed, hidden nor renamed."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from mercurial import bundle2, error, phases, util
from mercurial import node as nodes
from mercurial.utils import urlutil  # noqa: F401  (sshpeer needs it loaded)

from pacha.errors import PachaError
from pacha.store.hg import NULL, Blob, Note, Repository, bounds, runtime, server
from pacha.store.revision import PLAIN
from pacha.wire.master import temporary_name
from tests.support.hg_server import NEW, PACHA, bundle, history, served

NOTE = Note("a note", "somebody", 1_600_000_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The hosts' folder; ``bar`` has a repository ``foo`` with one revision."""
    hosts = tmp_path / "hosts"
    (hosts / "bar").mkdir(mode=0o700, parents=True)
    commit(Repository.open(str(hosts / "bar" / "foo"), create=True), NULL, b"one")
    return hosts


def commit(repository: Repository, parent: str, text: bytes) -> str:
    return repository.commit(parent, [b"file"], [], lambda name: Blob(text), NOTE)


def content(hosts: Path) -> dict[str, bytes]:
    """Every file of the repository."""
    top = hosts / "bar" / "foo"
    return {str(path): path.read_bytes() for path in top.rglob("*") if path.is_file() and "cache" not in str(path)}


def node_of(hosts: Path) -> bytes:
    return nodes.bin(Repository.open(str(hosts / "bar" / "foo")).heads()[0])


def test_a_push_and_a_pull(folder: Path, tmp_path: Path) -> None:
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    with served(folder) as peer:
        peer.pull(mine, peer.heads())
    second = commit(mine, mine.heads()[0], b"two")
    with served(folder) as peer:
        peer.push(mine, second)
    assert Repository.open(str(folder / "bar" / "foo")).heads() == (second,)


def test_commands_that_are_not_there(folder: Path) -> None:
    before, tip = content(folder), nodes.hex(node_of(folder))
    nothing = b"0" * 40
    with served(folder) as peer:
        raw = peer._peer
        tries = {
            b"pushkey": {"namespace": b"bookmarks", "key": b"x", "old": b"", "new": tip},
            b"stream_out": {},
            b"clonebundles": {},
            b"lookup": {"key": b"tip"},
            b"debugwireargs": {"one": b"1", "two": b"2"},
        }
        assert [command for command, arguments in tries.items() if raw._call(command, **arguments)] == []
        offered = raw._caps
    assert not {b"stream", b"clonebundles", b"lookup"} & {cap.partition(b"=")[0] for cap in offered}
    for namespace, key in ((b"phases", tip), (b"obsolete", b"dump0"), (b"bookmarks", b"x")):
        with served(folder) as peer:
            arguments = {"namespace": namespace, "key": key, "old": b"0", "new": nothing}
            assert peer._peer._call(b"pushkey", **arguments) == b""
    assert content(folder) == before


@pytest.mark.parametrize(
    ("kind", "data", "parameters"),
    [
        (b"pushkey", b"", {b"namespace": b"bookmarks", b"key": b"x", b"old": b"", b"new": b"TIP"}),
        (b"pushkey", b"", {b"namespace": b"phases", b"key": b"TIP", b"old": b"0", b"new": b"2"}),
        (b"bookmarks", b"TIP-RAW" + b"\0\1x", {}),
        (b"obsmarkers", b"\1", {}),
        (b"remote-changegroup", b"", {b"url": b"file:///etc/passwd", b"size": b"1", b"digests": b""}),
        (b"stream2", b"", {b"requirements": b"store", b"filecount": b"0", b"bytecount": b"0"}),
        (b"hgtagsfnodes", b"x" * 40, {}),
        (b"cache:rev-branch-cache", b"", {}),
        (b"pushvars", b"", {b"DEBUG": b"1"}),
        (b"output", b"said", {}),
        (b"strip", b"", {}),
    ],
)
def test_parts_that_are_not_taken(folder: Path, kind: bytes, data: bytes, parameters: dict[bytes, bytes]) -> None:
    before, tip = content(folder), node_of(folder)
    real = {name: value.replace(b"TIP", nodes.hex(tip)) for name, value in parameters.items()}
    with served(folder) as peer:
        answer = peer._peer.unbundle(bundle((kind, data.replace(b"TIP-RAW", tip), real)), [b"force"], b"")
        assert [part.type for part in answer.iterparts()] == [b"error:unsupportedcontent"]
    after = content(folder)
    assert {path: after.get(path) for path in before} == before
    assert not [path for path in after if "bookmarks" in path or "obsstore" in path]


def test_no_changegroup_changes_the_format(folder: Path, tmp_path: Path) -> None:
    """Of an empty repository, one with ``treemanifest`` made such a one, which nothing of ours serves."""
    Repository.open(str(folder / "bar" / "etc"), create=True)
    requires = (folder / "bar" / "etc" / ".hg" / "store" / "requires").read_bytes()
    parameters = {b"version": b"03", b"treemanifest": b"1"}
    with served(folder, name="etc") as peer:
        answer = peer._peer.unbundle(bundle((b"changegroup", bytes(16), parameters)), [b"force"], b"")
        assert b"reply:changegroup" not in [part.type for part in answer.iterparts()]
    assert (folder / "bar" / "etc" / ".hg" / "store" / "requires").read_bytes() == requires
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    tip = commit(mine, NULL, b"one")
    with served(folder, name="etc") as peer:
        peer.push(mine, tip)


def test_a_public_revision_stays_public(folder: Path) -> None:
    tip = node_of(folder)
    data = phases.binaryencode({phases.public: [], phases.draft: [], phases.secret: [tip]})
    with served(folder) as peer:
        list(peer._peer.unbundle(bundle((b"phase-heads", data, {})), [b"force"], b"").iterparts())
    with served(folder) as peer:
        assert peer.heads() == (nodes.hex(tip).decode(),)
        assert b"publishing" in peer._peer._call(b"listkeys", namespace=b"phases")


@pytest.mark.parametrize(("phase", "taken"), [(0, True), (1, True), (2, False), (32, False), (96, False)])
def test_no_revision_is_hidden_from_the_next_push(folder: Path, tmp_path: Path, phase: int, taken: bool) -> None:
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    with served(folder) as peer:
        peer.pull(mine, peer.heads())
    second = commit(mine, mine.heads()[0], b"two")
    file = tmp_path / "bundle"
    system = {"PATH": "/usr/bin:/bin", "HGRCPATH": ""}
    command = ["hg", "-R", mine.path, "bundle", "--base", "0", "-r", second, "-t", "none-v2", file]
    subprocess.run(command, env=system, check=True, capture_output=True)
    with open(file, "rb") as stream:
        found = bundle2.getunbundler(runtime.quiet_ui(), stream)
        data = next(part.read() for part in found.iterparts() if part.type == b"changegroup")
    with served(folder) as peer:
        parameters = {b"version": b"02", b"targetphase": b"%d" % phase}
        answer = peer._peer.unbundle(bundle((b"changegroup", data, parameters)), [b"force"], b"")
        kinds = [part.type for part in answer.iterparts()]
    assert kinds == [b"reply:changegroup" if taken else b"error:abort"]
    with served(folder) as peer:
        assert (second in peer.heads()) is taken
    assert Repository.open(str(folder / "bar" / "foo")).has(second) is taken


def test_an_old_bundle_is_refused(folder: Path) -> None:
    before = content(folder)
    with served(folder) as peer:
        with pytest.raises(Exception):  # noqa: B017
            peer._peer.unbundle(util.chunkbuffer([b"HG10UN", b"\0" * 12]), [b"force"], b"")
    assert content(folder) == before


def test_a_key_for_pushing_reads_nothing(folder: Path, tmp_path: Path) -> None:
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    with served(folder, "--push-only") as peer:
        heads = peer.heads()
        with pytest.raises(PachaError):
            peer.pull(mine, heads)
    tries: dict[bytes, dict[str, bytes]] = {
        b"getbundle": {},
        b"changegroup": {"roots": b""},
        b"changegroupsubset": {"bases": b"", "heads": b""},
        b"stream_out": {},
    }
    for command, arguments in tries.items():
        with served(folder, "--push-only") as peer:
            assert peer._peer._call(command, **arguments) == b""
        with served(folder, "--push-only") as peer, pytest.raises(error.ResponseError):
            peer._peer._call(b"batch", cmds=command + b" ")
    assert mine.heads() == ()


def test_a_key_for_rebuilding_writes_nothing(folder: Path, tmp_path: Path) -> None:
    before = content(folder)
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    with served(folder, "--rebuild-only") as peer:
        peer.pull(mine, peer.heads())
    second = commit(mine, mine.heads()[0], b"two")
    with served(folder, "--rebuild-only") as peer, pytest.raises(PachaError):
        peer.push(mine, second)
    assert content(folder) == before


def test_a_new_repository_is_filled_with_the_files_of_another(folder: Path, tmp_path: Path) -> None:
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    commit(mine, commit(mine, NULL, b"one"), b"two")
    with served(folder, name=NEW) as peer:
        peer.push(mine, mine.heads()[0])
        assert not (folder / "bar" / "new").exists(), "it has a name before it is whole"
    assert sorted(os.listdir(folder / "bar")) == ["foo", "new"]
    assert history(folder / "bar" / "new") == history(tmp_path / "mine")
    subprocess.run(["hg", "-R", folder / "bar" / "new", "verify", "-q"], check=True)


def test_a_new_repository_that_is_there_is_not_filled_again(folder: Path, tmp_path: Path) -> None:
    before = content(folder)
    name = temporary_name("foo")
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    commit(mine, NULL, b"another")
    with served(folder, name=name) as peer:
        assert peer.heads() == (nodes.hex(node_of(folder)).decode(),)
        answer = peer._peer.unbundle(bundle(stream((b"s", b"data/x.i", b"x"))), [b"force"], b"")
        assert [part.type for part in answer.iterparts()] == [b"error:unsupportedcontent"]
    assert {path: content(folder).get(path) for path in before} == before
    assert os.listdir(folder / "bar") == ["foo"]


def test_a_new_repository_that_nothing_came_to_gets_no_name(folder: Path) -> None:
    for _ in range(2):  # and does not hinder the next
        with served(folder, name=NEW) as peer:
            assert peer.heads() == ()
        assert not (folder / "bar" / "new").exists()


def test_two_that_make_one_at_once(folder: Path, tmp_path: Path) -> None:
    """Each writes to a place of its own; the name goes to who is first."""
    one, two = (Repository.open(str(tmp_path / name), create=True) for name in ("one", "two"))
    tips = {commit(one, NULL, b"one"), commit(two, commit(two, NULL, b"2"), b"two")}
    with served(folder, name=NEW) as second, served(folder, name=NEW) as first:
        first.push(one, one.heads()[0])
        second.push(two, two.heads()[0])
    assert sorted(os.listdir(folder / "bar")) == ["foo", "new"]
    subprocess.run(["hg", "-R", folder / "bar" / "new", "verify", "-q"], check=True)
    assert tips >= set(Repository.open(str(folder / "bar" / "new")).heads())


def test_a_stream_that_does_not_come_whole_gets_no_name_and_keeps_no_room(folder: Path, tmp_path: Path) -> None:
    commit(Repository.open(str(tmp_path / "mine"), create=True), NULL, b"one")
    log = (tmp_path / "mine" / ".hg" / "store" / "00changelog.i").read_bytes()
    kind, data, parameters = stream((b"s", b"00changelog.i", log))
    with served(folder, name=NEW) as peer:
        more = {**parameters, b"filecount": b"2"}
        answer = peer._peer.unbundle(bundle((kind, data, more)), [b"force"], b"")
        assert [part.type for part in answer.iterparts()] == [b"error:abort"]
    assert os.listdir(folder / "bar") == ["foo"]


def test_a_key_for_rebuilding_makes_none(folder: Path) -> None:
    with pytest.raises(PachaError), served(folder, "--rebuild-only", name=NEW):
        pass
    assert os.listdir(folder / "bar") == ["foo"]


def stream(*files: tuple[bytes, bytes, bytes]) -> tuple[bytes, bytes, dict[bytes, bytes]]:
    """The part of a bundle that fills a repository with files: where each belongs, its name, what is in it."""
    texts = [where + bytes([len(name), len(data)]) + name + data for where, name, data in files]
    size = sum(len(data) for _, _, data in files)
    formats = b",".join(sorted(PLAIN - {b"share-safe", b"store", b"fncache", b"dotencode"}))
    counts = {b"filecount": b"%d" % len(files), b"bytecount": b"%d" % size}
    return b"stream2", b"".join(texts), {**counts, b"requirements": formats.replace(b",", b"%2C")}


NO_HISTORY = [
    b"journal", b"journal.backupfiles", b"undo.backupfiles", b"requires", b"hgrc", b"../hgrc", b"../../hgrc",
    b"/tmp/x.i", b"phaseroots", b"bookmarks", b"obsstore", b"lock", b"narrowspec", b"00changelog.n", b"data/x", b"",
]  # fmt: skip


def test_what_a_stream_may_bring() -> None:
    class Taken:
        def register_file(self, name: bytes) -> None:
            raise AssertionError(name)

    for name in NO_HISTORY:
        with pytest.raises(error.Abort):
            server._History(Taken()).register_file(name)
    for name in (b"00changelog.i", b"00manifest.d", b"data/etc/a\nb.i", b"data/../../x.i"):  # the last is encoded
        with pytest.raises(AssertionError):
            server._History(Taken()).register_file(name)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (b"s", b"journal.backupfiles"),
        (b"s", b"../hgrc"),
        (b"s", b"data/../../../hgrc.i"),
        (b"c", b"hgrc"),
        (b"p", b"hgrc"),
    ],
)
def test_a_stream_brings_nothing_but_history(folder: Path, where: bytes, name: bytes) -> None:
    before = content(folder)
    with served(folder, name=NEW) as peer, suppress(error.ResponseError, error.Abort, bundle2.AbortFromPart):
        answer = peer._peer.unbundle(bundle(stream((where, name, b"[hooks]\n"))), [b"force"], b"")
        list(answer.iterparts())
    assert content(folder) == before
    came = [path for path in folder.parent.rglob("*") if path.is_file() and b"[hooks]" in path.read_bytes()]
    encoded = folder / "bar" / NEW / ".hg" / "store" / "data"
    assert [path for path in came if encoded not in path.parents] == []
    assert not (folder / "bar" / "new").exists()


def test_rubbish_is_no_traceback(folder: Path) -> None:
    """And ends the process, whatever it was."""
    command = [PACHA, "serve", "bar", "--hosts-path", folder, "--repository", "foo"]
    for said in (
        b"\xff\n",
        b"batch\n* 0\ncmds 3\nx y",
        b"unbundle\nheads 1\nx",
        b"between\npairs 3\nxyz",
        os.urandom(500),
    ):
        done = subprocess.run(command, input=said, capture_output=True, timeout=60)
        assert b"Traceback" not in done.stderr and b"fault in Pacha" not in done.stderr, said


@pytest.mark.parametrize(
    "said",
    [b"known\nnodes -1\n", b"known\nnodes 99999999999999\n", b"unbundle\nheads 10\n666f726365-1\n", b"x" * 3_000_000],
)
def test_a_length_that_cannot_be_is_refused(folder: Path, said: bytes) -> None:
    """A length of -1 would mean all that comes, and holds no end of memory."""
    command = [PACHA, "serve", "bar", "--hosts-path", folder, "--repository", "foo"]
    done = subprocess.run(command, input=said, capture_output=True, timeout=20)
    assert b"a length that cannot be" in done.stderr or b"a line without an end" in done.stderr


def test_a_revision_that_would_fill_the_memory_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of zeros, that is a few kilobytes of the thief's, 300 MB on the line and as much again on the master."""
    before = node_of(folder)
    thief = Repository.open(str(folder.parent / "thief"), create=True)
    with served(folder) as peer:
        peer.pull(thief, peer.heads())
    with monkeypatch.context() as patch:
        patch.setattr(bounds, "_PACKED", 1 << 30)
        bomb = commit(thief, thief.heads()[0], bytes(300 << 20))
        with served(folder) as peer, pytest.raises(PachaError, match="cannot be sent"):
            peer.push(Repository.open(thief.path), bomb)
    assert node_of(folder) == before
    node = commit(thief, NULL, b"honest")
    with served(folder) as peer:
        peer.push(thief, node, beside=True)
    assert Repository.open(str(folder / "bar" / "foo")).has(node)


def test_a_bundle_that_is_compressed_is_refused(folder: Path) -> None:
    """One piece of it could expand without end, and Pacha sends none."""
    made = bundle2.bundle20(runtime.quiet_ui())
    made.setcompression(b"ZS")
    made.newpart(b"replycaps", data=b"HG20")
    request = {b"bundle": util.chunkbuffer(made.getchunks()), b"heads": [b"force"], b"url": b""}
    with served(folder) as peer, peer._peer.commandexecutor() as executor:
        reply = executor.callcommand(b"unbundle", request).result()
        with pytest.raises(error.BundleUnknownFeatureError):
            bundle2.processbundle(Repository.open(str(folder / "bar" / "foo"))._repo, reply)
