"""Where a push sends to: a repository with its name, or a new one that is filled first."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pacha.errors import UnreachableError
from pacha.push.upload import InitialUpload, PeerUpload
from pacha.store.hg import NULL, Blob, Note, Repository, open_peer
from pacha.wire.master import CannotStream, TemporaryRepository

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def commit(repository: Repository, parent: str, text: bytes) -> str:
    return repository.commit(parent, [b"a"], [], lambda name: Blob(text), Note("m", "u", 1.0))


@pytest.fixture(name="ours")
def our_repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "ours"), create=True)


def test_one_with_a_name_has_what_is_pushed_at_once(tmp_path: Path, ours: Repository) -> None:
    node = commit(ours, NULL, b"1")
    theirs = Repository.open(str(tmp_path / "theirs"), create=True)
    with open_peer(theirs.path, "x") as peer:
        upload = PeerUpload(peer)
        assert (upload.heads(), upload.is_temporary, upload.files) == ((), False, None)
        upload.push(ours, node)
        assert upload.arrived() and upload.heads() == (node,)
    assert Repository.open(theirs.path).has(node)
    third = Repository.open(str(tmp_path / "third"), create=True)
    with open_peer(theirs.path, "x") as peer:
        PeerUpload(peer).pull(third, [node])
    assert Repository.open(third.path).has(node)


def test_a_new_one_is_filled_while_the_push_goes_on(ours: Repository) -> None:
    node, wait, sent = commit(ours, NULL, b"1"), threading.Event(), list[str]()

    def send(path: str, names: object) -> None:
        wait.wait(10)
        sent.append(path)

    upload = InitialUpload(TemporaryRepository(send))
    assert upload.heads() == () and upload.is_temporary and upload.arrived(), "there is nothing to send"
    upload.push(ours, node)
    assert sent == [] and upload.files == (ours, node, False)
    wait.set()
    assert upload.arrived() and sent == [ours.path] and upload.temporary.filled


def test_a_history_with_another_head_is_not_sent_as_files(ours: Repository) -> None:
    first = commit(ours, NULL, b"1")
    node, _ = commit(ours, first, b"2"), commit(ours, first, b"3")
    upload = InitialUpload(TemporaryRepository(lambda path, names: pytest.fail("it was sent")))
    upload.push(ours, node)
    assert not upload.arrived()


def test_where_it_cannot_be_sent_that_is_told_and_a_lost_line_is_an_error(ours: Repository) -> None:
    def fail(error: Exception) -> InitialUpload:
        def send(path: str, names: object) -> None:
            raise error

        upload = InitialUpload(TemporaryRepository(send))
        upload.push(ours, node)
        return upload

    node = commit(ours, NULL, b"1")
    assert not fail(CannotStream()).arrived()
    with pytest.raises(UnreachableError):
        fail(UnreachableError("It is gone.", code="x")).arrived()
