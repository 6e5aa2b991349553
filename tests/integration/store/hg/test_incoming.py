"""Nothing comes into a history that is not what its node says, or that no new changeset needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from mercurial import changegroup as changegroups
from mercurial import error, hg, revlog, util

from pacha.store.hg import NULL as NOTHING
from pacha.store.hg import Blob, Note, Repository, runtime
from pacha.store.hg.incoming import check_incoming
from tests.support.changegroups import NOBODYS, add_unseen, changegroup, changeset, node_of, revision
from tests.support.hg_server import bundle, history, served

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

GARBAGE, CENSORED = b"garbage\n", 1 << 15
NOTE = Note("a note", "somebody", 1_600_000_000)
Forge = Callable[[bytes], bytes]


def with_file(head: bytes, node: bytes, text: bytes, *, flags: int = 0) -> bytes:
    """A changeset with its manifest and the revision ``node`` of one file, which has this text."""
    listed = b"new\0" + node.hex().encode() + b"\n"
    manifest = node_of(listed)
    changed, change = changeset(head, manifest, b"new\n")
    file = revision(node, text, link=changed, flags=flags)
    return changegroup(change, revision(manifest, listed, link=changed), new=file)


def planted(head: bytes) -> bytes:
    """Another content for the node of what somebody else is going to push."""
    return changegroup(new=revision(node_of(b"next release\n"), GARBAGE, link=head))


def planted_and_true(head: bytes) -> bytes:
    """The content is right; it belongs to a changeset of which nobody would fetch it."""
    return changegroup(new=revision(node_of(b"next release\n"), b"next release\n", link=head))


def without_manifest(head: bytes) -> bytes:
    return changegroup(changeset(head, NOBODYS)[1])


def without_file(head: bytes) -> bytes:
    listed = b"new\0" + NOBODYS.hex().encode() + b"\n"
    changed, change = changeset(head, node_of(listed), b"new\n")
    return changegroup(change, revision(node_of(listed), listed, link=changed))


def with_garbage(head: bytes) -> bytes:
    return with_file(head, node_of(b"new\n"), GARBAGE)


def with_a_false_manifest(head: bytes) -> bytes:
    changed, change = changeset(head, node_of(b"other"))
    return changegroup(change, revision(node_of(b"other"), b"", link=changed))


def censored(head: bytes) -> bytes:
    return with_file(head, node_of(b"new\n"), b"\1\ncensored: \1\n", flags=CENSORED)


FORGED = [planted, planted_and_true, without_manifest, without_file, with_garbage, with_a_false_manifest, censored]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The hosts' folder; ``bar`` has a repository ``foo`` with one revision."""
    (tmp_path / "hosts" / "bar").mkdir(mode=0o700, parents=True)
    repository = Repository.open(str(tmp_path / "hosts" / "bar" / "foo"), create=True)
    repository.commit(NOTHING, [b"file"], [], lambda name: Blob(b"one"), NOTE)
    return tmp_path / "hosts"


def head_of(path: Path) -> bytes:
    return bytes.fromhex(Repository.open(str(path)).heads()[0])


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_the_master_takes_none_of_it(folder: Path, forge: Forge) -> None:
    before = history(folder / "bar" / "foo")
    data = forge(head_of(folder / "bar" / "foo"))
    with served(folder) as peer, suppress(error.ResponseError, error.Abort, EOFError):
        list(peer._peer.unbundle(bundle((b"changegroup", data, {b"version": b"03"})), [b"force"], b"").iterparts())
    assert history(folder / "bar" / "foo") == before


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_the_host_takes_none_of_it(folder: Path, forge: Forge) -> None:
    repository = folder / "bar" / "foo"
    before, data = history(folder / "bar" / "foo"), forge(head_of(repository))
    repo = hg.repository(runtime.quiet_ui(), bytes(repository)).unfiltered()
    with check_incoming(), pytest.raises((error.StorageError, error.Abort)):
        with repo.lock(), repo.transaction(b"pull") as transaction:
            changegroups.cg3unpacker(util.chunkbuffer([data]), None).apply(repo, transaction, b"pull", b"")
    assert history(folder / "bar" / "foo") == before


def test_what_is_true_is_taken(folder: Path) -> None:
    true = with_file(head_of(folder / "bar" / "foo"), node_of(b"new\n"), b"new\n")
    with served(folder) as peer:
        answer = peer._peer.unbundle(bundle((b"changegroup", true, {b"version": b"03"})), [b"force"], b"")
        assert [part.type for part in answer.iterparts()] == [b"reply:changegroup"]
    assert (
        Repository.open(str(folder / "bar" / "foo")).reader(head_of(folder / "bar" / "foo").hex())(b"new") == b"new\n"
    )


@pytest.mark.parametrize("forge", [planted, without_manifest, with_garbage], ids=lambda forge: forge.__name__)
def test_stock_mercurial_would_take_it(folder: Path, forge: Forge) -> None:
    """Else these tests would show nothing."""
    repository = folder / "bar" / "foo"
    before = history(folder / "bar" / "foo")
    add_unseen(repository, forge(head_of(repository)))
    assert history(folder / "bar" / "foo") != before


def test_a_key_that_may_not_read_guesses_slowly(folder: Path) -> None:
    """A delta keeps what it does not change: whether its hash is right tells whether that was guessed."""
    data, began = with_garbage(head_of(folder / "bar" / "foo")), time.monotonic()
    with served(folder, "--push-only") as peer, suppress(error.ResponseError, error.Abort, EOFError):
        list(peer._peer.unbundle(bundle((b"changegroup", data, {b"version": b"03"})), [b"force"], b"").iterparts())
    assert time.monotonic() - began >= 3


def test_within_another_conversation_only_the_inner_one_checks() -> None:
    """The outer one knows what was purged of another repository."""
    plain = revlog.revlog.addgroup
    with check_incoming():
        outer = revlog.revlog.addgroup
        with check_incoming():
            assert revlog.revlog.addgroup.__wrapped__ is plain
        assert revlog.revlog.addgroup is outer
    assert revlog.revlog.addgroup is plain
