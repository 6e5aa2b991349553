"""Pulling from and pushing to a repository elsewhere, which may refuse, lie or end."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacha.errors import PachaError, UnreachableError
from pacha.store import hg
from pacha.store.hg import NULL, Blob, Repository
from pacha.store.revision import FORMAT
from tests.support.committing import commit, contents, verify
from tests.support.mercurial import run_hg, system_hg

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "repos/foo"), create=True)


@contextmanager
def served(path: Path | str, command: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The pipes to a real ``hg serve --stdio``."""
    with subprocess.Popen(
        [command or system_hg(), "-R", str(path), "serve", "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, bufsize=0, env={k: v for k, v in os.environ.items() if k != "HGRCSKIPREPO"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        buffered = io.BufferedReader(io.FileIO(process.stdout.fileno(), "rb", closefd=False))
        raw, process.stdout = process.stdout, buffered
        try:
            yield process
        finally:
            process.stdout = raw
            process.kill()


@pytest.fixture(params=["local", "served"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Callable[..., object]]]:
    """A repository elsewhere, and how to reach it."""
    path = tmp_path / "master"
    if request.param == "local":
        Repository.open(str(path), create=True)

        @contextmanager
        def reach() -> Iterator[str]:
            yield str(path)

        yield path, reach
    else:
        run_hg("init", *(word for name, value in FORMAT for word in ("--config", f"{name}={value}")), str(path))
        yield path, lambda: served(path)


def test_pushing_and_pulling(
    repository: Repository, remote: tuple[Path, Callable[..., object]], tmp_path: Path
) -> None:
    path, reach = remote
    first = commit(repository, NULL, {b"a": b"1" * 5000, b"l": Blob(b"a", is_link=True)})
    with reach() as pipes, hg.open_peer(pipes, "foo") as peer:  # type: ignore[attr-defined]
        assert peer.heads() == ()
        peer.pull(repository, [])
        peer.push(repository, first)
        assert peer.heads() == (first,)
        peer.push(repository, first)
        second = commit(repository, first, {b"b": os.urandom(300_000)})
        peer.push(repository, second)
    verify(str(path))
    assert contents(Repository.open(str(path)), second) == contents(repository, second)
    fresh = Repository.open(str(tmp_path / "first_commit"), create=True)
    with reach() as pipes, hg.open_peer(pipes, "foo") as peer:  # type: ignore[attr-defined]
        peer.pull(fresh, [first])
        assert fresh.heads() == (first,)
        peer.pull(fresh, [second])
        peer.pull(fresh, [second])
    assert contents(fresh, second) == contents(repository, second)
    verify(fresh.path)


def test_only_what_is_named_is_sent(repository: Repository, remote: tuple[Path, Callable[..., object]]) -> None:
    path, reach = remote
    first = commit(repository, NULL, {b"a": b"1"})
    second = commit(repository, first, {b"a": b"2"})
    with reach() as pipes, hg.open_peer(pipes, "foo") as peer:  # type: ignore[attr-defined]
        peer.push(repository, first)
        assert peer.heads() == (first,)
    assert not Repository.open(str(path)).has(second)


def test_an_unrelated_history_and_a_second_head_can_be_fetched_and_built_on(
    repository: Repository, remote: tuple[Path, Callable[..., object]], tmp_path: Path
) -> None:
    _, reach = remote
    theirs = Repository.open(str(tmp_path / "theirs"), create=True)
    other = commit(theirs, NULL, {b"x": b"theirs"})
    mine = commit(repository, NULL, {b"a": b"mine"})
    with reach() as pipes, hg.open_peer(pipes, "foo") as peer:  # type: ignore[attr-defined]
        peer.push(theirs, other)
        peer.pull(repository, [other])
        assert set(repository.heads()) == {mine, other}
        node = commit(repository, other, {b"a": b"mine"}, (b"x",))
        peer.push(repository, node)
        assert peer.heads() == (node,)
    assert contents(repository, node) == {b"a": b"mine"}


def test_a_node_that_the_other_side_lacks(repository: Repository, remote: tuple[Path, Callable[..., object]]) -> None:
    _, reach = remote
    with pytest.raises(PachaError) as caught:
        with reach() as pipes, hg.open_peer(pipes, "foo") as peer:  # type: ignore[attr-defined]
            peer.pull(repository, ["ab" * 20])
    assert caught.value.message and caught.value.why


@pytest.fixture
def overtaken(repository: Repository, tmp_path: Path) -> Iterator[tuple[Path, str, hg.Peer]]:
    """A repository elsewhere that gets another revision while a conversation with it is open; what ours stands on."""
    path = tmp_path / "master"
    run_hg("init", str(path))
    first = commit(repository, NULL, {b"a": b"1"})
    with served(path) as pipes, hg.open_peer(pipes, "foo") as peer:
        peer.push(repository, first)
    others = Repository.open(str(tmp_path / "others"), create=True)
    with served(path) as waiting, hg.open_peer(waiting, "foo") as peer:
        with served(path) as pipes, hg.open_peer(pipes, "foo") as quicker:
            quicker.pull(others, quicker.heads())
            quicker.push(others, commit(others, first, {b"b": b"theirs"}))
        yield path, first, peer
    verify(str(path))


def test_who_was_overtaken_is_refused(repository: Repository, overtaken: tuple[Path, str, hg.Peer]) -> None:
    path, first, peer = overtaken
    mine = commit(repository, first, {b"a": b"2"})
    with pytest.raises(PachaError):
        peer.push(repository, mine)
    assert not Repository.open(str(path)).has(mine)


def test_who_was_overtaken_may_push_beside(repository: Repository, overtaken: tuple[Path, str, hg.Peer]) -> None:
    path, first, peer = overtaken
    mine = commit(repository, first, {b"a": b"2"})
    peer.push(repository, mine, beside=True)
    assert len(Repository.open(str(path)).heads()) == 2


def test_who_was_overtaken_may_stand_on_what_came(repository: Repository, overtaken: tuple[Path, str, hg.Peer]) -> None:
    path, first, peer = overtaken
    [theirs] = Repository.open(str(path)).heads()
    assert peer.heads() == (first,), "it was to be told of the heads before"
    with served(path) as pipes, hg.open_peer(pipes, "foo") as later:
        later.pull(repository, [theirs])
    mine = commit(repository, theirs, {b"a": b"2"})
    peer.push(repository, mine)
    assert Repository.open(str(path)).heads() == (mine,)


def test_what_is_there_already_is_not_sent_again(
    repository: Repository, remote: tuple[Path, Callable[..., object]]
) -> None:
    path, reach = remote
    first = commit(repository, NULL, {b"a": b"1"})
    second = commit(repository, first, {b"a": b"2"})
    for node in (second, second, first):
        with reach() as pipes, hg.open_peer(pipes, "foo") as peer:  # type: ignore[attr-defined]
            peer.push(repository, node)
    assert Repository.open(str(path)).heads() == (second,)


def test_a_refusal_of_the_other_side_is_told(repository: Repository, tmp_path: Path) -> None:
    run_hg("init", str(tmp_path / "master"))
    (tmp_path / "master/.hg/hgrc").write_text("[hooks]\npretxnchangegroup.no = false\n")
    node = commit(repository, NULL, {b"a": b"1"})
    with pytest.raises(PachaError) as caught:
        with served(tmp_path / "master") as pipes, hg.open_peer(pipes, "foo") as peer:
            peer.push(repository, node)
    assert caught.value.message == "foo cannot be sent to the master."
    assert caught.value.why == "pretxnchangegroup.no hook exited with status 1"


@pytest.mark.parametrize(
    "answer", [b"", b"no such command\n", b"\0" * 300, b"5\nabc", b"99999999999999999999\n", b"-1\n" * 50]
)
@pytest.mark.timeout(60)
def test_something_else_that_answers(repository: Repository, tmp_path: Path, answer: bytes) -> None:
    (tmp_path / "answer").write_bytes(answer)
    script = tmp_path / "liar"
    script.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    script.chmod(0o755)
    with pytest.raises(PachaError) as caught:
        with served("x", str(script)) as pipes, hg.open_peer(pipes, "foo") as peer:
            peer.heads()
    assert "foo" in caught.value.message
    assert (caught.value.message + caught.value.why + caught.value.hint).isprintable()


@pytest.mark.timeout(60)
def test_a_line_that_is_cut(repository: Repository, tmp_path: Path) -> None:
    run_hg("init", str(tmp_path / "master"))
    first = commit(repository, NULL, {b"a": b"1"})
    with pytest.raises(UnreachableError):
        with served(tmp_path / "master") as pipes, hg.open_peer(pipes, "foo") as peer:
            assert peer.heads() == ()
            pipes.kill()
            pipes.wait()
            peer.push(repository, first)
    verify(str(tmp_path / "master"))


def test_a_local_remote_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(PachaError):
        with hg.open_peer(str(tmp_path / "none"), "foo"):
            pass
