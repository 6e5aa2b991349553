"""What is unpacked can be read back by path, in chunks, until the files are closed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.fetch import spool
from pacha.fetch.spool import Spool
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.snapshot import Watched
from tests.support.entries import entry_at

TEXTS = {b"empty": b"", b"large": b"0123456789" * 30_000, b"small": b"small\n"}


def filled(folder: Path, *wrong: bytes) -> Spool:
    """A spool with all of ``TEXTS``; the snapshot records another hash for those that are ``wrong``."""
    repository = Repository.open(str(folder / "foo"), create=True)
    node = repository.commit(NULL, TEXTS, [], lambda name: Blob(TEXTS[name]), Note("a note", "somebody", 0.0))
    entries = [
        entry_at(
            b"/foo/" + name,
            size=len(text),
            sha256=hashlib.sha256(b"x" if name in wrong else text).digest(),
            stored=name,
        )
        for name, text in TEXTS.items()
    ]
    made = Spool()
    watched = Watched(path=b"/foo", single=False, repository="foo", node=node)
    made.add(made.task(repository.path, watched, entries, folder))
    return made


def test_each_path_gives_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_CHUNK", 1000)
    made = filled(tmp_path)
    assert {path: b"".join(made.content(path)) for path in made.places} == {b"/foo/" + n: t for n, t in TEXTS.items()}
    assert max(len(chunk) for chunk in made.content(b"/foo/large")) == 1000
    assert made.bytes_of(b"/foo/small") == b"small\n" and made.bytes_of(b"/foo/large", 5) == b"01234"
    assert made.read["foo"] == TEXTS.keys()
    file, offset, size = made.place(b"/foo/large")
    assert Path(os.fsdecode(file)).read_bytes()[offset : offset + size] == TEXTS[b"large"]
    made.close()


def test_what_differs_from_its_hash_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        filled(tmp_path, b"small")


def test_a_file_that_was_cut_short_is_told(tmp_path: Path) -> None:
    made = filled(tmp_path)
    for path in tmp_path.glob(".content*"):
        os.truncate(path, 10)
    with pytest.raises(PachaError) as caught:
        list(made.content(b"/foo/large"))
    assert caught.value.code == "staged-content-lost"
    made.close()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    made = filled(tmp_path)
    assert [os.readlink(f"/proc/self/fd/{place[0]}") for place in made.places.values()] != []
    made.close()
    assert len(os.listdir("/proc/self/fd")) == before
