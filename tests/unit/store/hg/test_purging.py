from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from pacha.errors import PachaError, PurgedError
from pacha.store.hg import NULL, Repository, open_peer
from tests.support.committing import commit

BIG = os.urandom(40_000)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(str(tmp_path / "one"), create=True)


def history(repository: Repository) -> tuple[str, str, str]:
    """Three revisions of two files."""
    first = commit(repository, NULL, {b"small": b"SECRET\n", b"big": BIG + b"SECRET", b"plain": b"plain\n"})
    second = commit(repository, first, {b"small": b"SECRET\nmore\n", b"big": BIG + b"SECRET more"})
    return first, second, commit(repository, second, {b"small": b"more\n", b"big": BIG + b"more"})


def erase(repository: Repository, *brought_by: str) -> int:
    """Erase what these revisions brought in, but for the plain file."""
    wanted: dict[bytes, set[str]] = {}
    for revision in repository.file_revisions(lambda name: name != b"plain"):
        if revision.brought_by in brought_by:
            wanted.setdefault(revision.name, set()).add(revision.node)
    return repository.erase(wanted)


def holds(repository: Repository, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in Path(repository.path).rglob("*") if path.is_file())


def test_content_is_erased_and_all_else_is_as_it_was(repository: Repository) -> None:
    first, second, third = history(repository)
    heads, plain = repository.heads(), repository.names(third)
    assert holds(repository, b"SECRET")
    assert erase(repository, first, second) == 4
    assert not holds(repository, b"SECRET") and erase(repository, first, second) == 0
    again = Repository.open(repository.path)
    assert (again.heads(), again.names(third)) == (heads, plain)
    assert again.reader(third)(b"big") == BIG + b"more" and again.reader(first)(b"plain") == b"plain\n"
    with pytest.raises(PurgedError):
        again.reader(first)(b"small")
    assert [revision.brought_by for revision in again.file_revisions(lambda name: name == b"small")] == [third]
    assert [line for _, line in again.annotate(third, b"small")] == [b"more\n"]


@pytest.mark.parametrize("removed", [False, True])
def test_what_comes_back_is_kept_again(repository: Repository, removed: bool) -> None:
    first = commit(repository, NULL, {b"small": b"SECRET\n", b"plain": b"x"})
    second = commit(repository, first, {}, (b"small",)) if removed else first
    erase(repository, first)
    third = commit(repository, second, {b"small": b"SECRET\n"})
    assert third != second and repository.reader(third)(b"small") == b"SECRET\n"


def test_copies_that_mercurial_keeps_go_as_well(repository: Repository) -> None:
    first, second, _ = history(repository)
    backup = Path(repository.path, ".hg/strip-backup/old.hg")
    backup.parent.mkdir()
    backup.write_bytes(b"SECRET")
    for left in ("undo.backup.small.i.bck", "journal.backup.big.d.bck", "small.i.tmpcensored"):
        Path(repository.path, ".hg/store/data", left).write_bytes(b"SECRET")
    assert repository.has_copies()
    erase(repository, first, second)
    assert not holds(repository, b"SECRET") and not repository.has_copies()


def other(repository: Repository, tmp_path: Path) -> Repository:
    """An empty repository."""
    return Repository.open(str(tmp_path / "two"), create=True)


def test_a_tombstone_comes_in_only_where_it_is_expected(repository: Repository, tmp_path: Path) -> None:
    first, second, third = history(repository)
    erase(repository, first, second)
    target = other(repository, tmp_path)
    with open_peer(repository.path, "one") as peer, pytest.raises(PachaError):
        peer.pull(target, [third])
    assert target.heads() == ()
    target.accepts_purged = lambda name, node: name in (b"small", b"big")
    with open_peer(repository.path, "one") as peer:
        peer.pull(target, [third])
    assert target.reader(third)(b"big") == BIG + b"more"
    with pytest.raises(PurgedError):
        target.reader(first)(b"big")


def test_a_change_on_purged_content_is_sent_to_one_that_has_it_and_to_one_that_has_not(
    repository: Repository, tmp_path: Path
) -> None:
    first = commit(repository, NULL, {b"small": b"SECRET\n" * 50})
    target = other(repository, tmp_path)
    with open_peer(target.path, "two") as peer:
        peer.push(repository, first)
    erase(repository, first)
    second = commit(repository, first, {b"small": b"SECRET\n" * 50 + b"more\n"})
    with open_peer(target.path, "two") as peer:
        peer.push(repository, second, whole=True)
    assert Repository.open(target.path).reader(second)(b"small").endswith(b"more\n")


def test_nobody_adds_to_it_while_it_is_locked(repository: Repository) -> None:
    first, *_ = history(repository)
    with repository.locked():
        assert Path(repository.path, ".hg/store/lock").is_symlink()
    assert repository.is_purged(b"small", bytes(20)) is False and repository.has(first)


@pytest.mark.slow
def test_many_revisions_of_many_files_take_little_memory(repository: Repository) -> None:
    """Not a list of all files for each revision: that would be 8 MB here."""
    nodes = [commit(repository, NULL, {b"file %d" % number: b"x" for number in range(1500)})]
    for number in range(40):
        nodes.append(commit(repository, nodes[-1], {b"file %d" % number: b"y"}))
    tracemalloc.start()
    try:
        found = repository.present([*nodes, "f" * 40])
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert len(found) == 1540
    assert found == {(name, value[:20]) for node in nodes for name, value in repository.names(node).items()}
