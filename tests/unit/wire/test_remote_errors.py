"""What other programs say is classified in one place, whatever else they say beside it."""

from __future__ import annotations

import pytest

from pacha.wire.remote_errors import (
    RemoteFault,
    classify,
    classify_conversation,
    classify_copy,
    missing_name,
    only_missing,
)
from pacha.wire.ssh import Result

ENDED = {
    (127, b"sh: 1: hg: not found"): RemoteFault.NO_PROGRAM,
    (1, b"mkdir: cannot create directory '/a': Permission denied"): RemoteFault.DENIED,
    (1, b"mkdir: cannot create directory '/a/b': No such file or directory"): RemoteFault.MISSING,
    (1, b"mkdir: cannot create directory '/a': File exists"): RemoteFault.EXISTS,
    (1, b"sh: /home/a/.x: Permission denied\nmv: cannot move 'a' to 'b': Directory not empty"): RemoteFault.NOT_EMPTY,
    (1, b"cat: write error: No space left on device"): RemoteFault.FULL,
    (1, b"tar: b: Cannot write: Disk quota exceeded\ntar: Exiting with failure status"): RemoteFault.FULL,
    (1, b"mv: cannot move 'a' to 'b': Directory not empty"): RemoteFault.NOT_EMPTY,
    (1, b"something else"): RemoteFault.OTHER,
    (1, b""): RemoteFault.OTHER,
}
CONVERSATIONS = {
    (255, b"abort: repository /a/db not found"): RemoteFault.NO_REPOSITORY,
    (255, b"tput: command not found\nabort: no changegroup for repository"): RemoteFault.ABORTED,
    (255, b"abort: abandoned transaction found\n(run 'hg recover' to clean up transaction)"): RemoteFault.ABANDONED,
    (127, b"sh: 1: hg: command not found"): RemoteFault.NO_PROGRAM,
    (255, b"abort: no space left"): RemoteFault.ABORTED,
    (10, b"pacha: It serves another host."): RemoteFault.ABORTED,
    (1, b"Killed"): RemoteFault.OTHER,
}
COPIES = {
    (127, b"sh: scp: not found"): RemoteFault.NOT_RUN,
    (126, b""): RemoteFault.NOT_RUN,
    (1, b"pacha: Permission denied: this key is for Pacha alone.\n"): RemoteFault.KEY_REFUSED,
    (1, b"pacha: /pacha/hosts/foo is not on the master.\n"): RemoteFault.NO_HOST,
    (1, b"pacha: The repository foo is not found.\n"): RemoteFault.NO_HOST,
    (1, b"lost connection"): RemoteFault.OTHER,
}


def ended(status: int, complaints: bytes) -> Result:
    return Result(status, b"", complaints)


@pytest.mark.parametrize("said", ENDED)
def test_a_command_that_ended(said: tuple[int, bytes]) -> None:
    assert classify(ended(*said)) is ENDED[said]


@pytest.mark.parametrize("said", CONVERSATIONS)
def test_a_conversation_with_mercurial(said: tuple[int, bytes]) -> None:
    assert classify_conversation(ended(*said)) is CONVERSATIONS[said]


@pytest.mark.parametrize("said", COPIES)
def test_a_copy(said: tuple[int, bytes]) -> None:
    assert classify_copy(ended(*said)) is COPIES[said]


def test_files_that_are_missing_are_no_fault_of_a_digest() -> None:
    missing, word = b"sha256sum: /a: No such file or directory\n", b"mesg: ttyname failed\n"
    assert only_missing(ended(0, b""), "sha256sum")
    assert only_missing(ended(1, missing * 2), "sha256sum")
    assert only_missing(ended(1, word + missing), "sha256sum"), "the shell has said a word of its own"
    assert not only_missing(ended(1, missing + b"sha256sum: /b: Permission denied\n"), "sha256sum")
    assert not only_missing(ended(1, b"sh: /home/a/.profile: No such file or directory\n"), "sha256sum")
    assert not only_missing(ended(1, b""), "sha256sum")


def test_the_name_that_scp_does_not_find() -> None:
    assert missing_name(b"scp: /a/b/lock: No such file or directory") == b"lock"
    assert missing_name(b"scp: /a/b/lock: Permission denied") is None
