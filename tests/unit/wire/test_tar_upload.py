"""The stream that fills a new repository on a master: all of the history, the changelog last, and nothing private."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.store.growth import Abandoned
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.wire.master import CannotStream, store_files
from pacha.wire.tar_upload import format_of, pack, unpacking


@pytest.fixture
def repository(tmp_path: Path) -> str:
    made = Repository.open(str(tmp_path / "foo"), create=True)
    made.commit(NULL, [b"one"], [], lambda name: Blob(b"one\n"), Note("a note", "somebody", 0.0))
    return made.path


def names(archive: bytes) -> list[str]:
    done = subprocess.run(
        ["tar", "-t", "-f", "-"], input=archive, capture_output=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    return done.stdout.decode().splitlines()


def test_what_is_unpacked_is_the_same_history(repository: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    archive = b"".join(pack(repository, store_files(repository)))
    subprocess.run(unpacking(os.fsencode(there)), input=archive, check=True)
    assert format_of(str(there)) == format_of(repository) and None not in format_of(repository)
    copied = Repository.open(str(there))
    assert copied.reader(copied.heads()[0])(b"one") == b"one\n"


def test_the_changelog_comes_last_and_phases_not_at_all(repository: str) -> None:
    Path(repository, ".hg/store/phaseroots").touch()
    Path(repository, ".hg/hgrc").write_text("[hooks]\n")
    packed = [name for name in names(b"".join(pack(repository, store_files(repository)))) if not name.endswith("/")]
    assert packed[-1].startswith(".hg/store/00changelog") and ".hg/store/data/one.i" in packed
    assert ".hg/store/phaseroots" not in packed and ".hg/hgrc" not in packed


def test_the_surroundings_of_tar_leave_nothing_out(repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = names(b"".join(pack(repository, store_files(repository))))
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=*.i")
    assert names(b"".join(pack(repository, store_files(repository)))) == plain


def test_a_tar_that_fails_or_is_not_there(repository: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tar").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CannotStream):
        list(pack(repository, store_files(repository)))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(CannotStream):
        list(pack(repository, store_files(repository)))


def test_another_format_is_seen(repository: str) -> None:
    before = format_of(repository)
    with open(f"{repository}/.hg/requires", "a") as stream:
        stream.write("of-the-future\n")
    assert format_of(repository) != before
    os.unlink(f"{repository}/.hg/requires")
    assert None in format_of(repository)


def test_files_travel_while_others_are_still_made(repository: str) -> None:
    """Of a file that is named, what fills a pipe comes before the next one has a name."""
    (Path(repository) / ".hg/store/data/large.i").write_bytes(os.urandom(500_000))
    has_come = threading.Event()

    def named() -> Iterator[bytes]:
        yield b"data/large.i"
        assert has_come.wait(20)
        yield b"data/one.i"

    archive = b""
    for piece in pack(repository, named()):
        archive += piece
        has_come.set()
    assert names(archive)[-1] == ".hg/store/data/one.i"


def test_what_ends_the_names_is_told_and_leaves_the_stream_whole(repository: str) -> None:
    def named() -> Iterator[bytes]:
        yield b"data/one.i"
        raise Abandoned

    archive = b""
    with pytest.raises(Abandoned):
        for piece in pack(repository, named()):
            archive += piece
    assert names(archive)[-1] == ".hg/store/data/one.i"


def test_a_reader_that_stops_leaves_nothing_open(repository: str) -> None:
    (Path(repository) / ".hg/store/data/large.i").write_bytes(os.urandom(500_000))
    before = os.listdir("/proc/self/fd")
    pieces = pack(repository, [b"data/large.i"] * 1000)
    next(pieces)
    pieces.close()
    until = time.monotonic() + 20
    while len(os.listdir("/proc/self/fd")) > len(before) and time.monotonic() < until:
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/fd")) == len(before)
