"""The blobs of a commit: what each name holds, each file read once, and what cannot be read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.files import content, names
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind
from pacha.push.blobs import BlobSource, Unkept
from pacha.store.hg import Blob
from pacha.store.snapshot import Watched
from tests.support.entries import entry_at


@pytest.fixture(name="descent")
def descent_into(tmp_path: Path) -> Iterator[DirectoryFds]:
    with DirectoryFds(os.fsencode(tmp_path)) as descent:
        yield descent


def scanned(file: Path) -> Entry:
    status, target = file.lstat(), os.fsencode(os.readlink(file)) if file.is_symlink() else None
    kind = Kind.FILE if target is None else Kind.SYMLINK
    return entry_at(os.fsencode(file), kind, mode=status.st_mode & 0o7777, size=status.st_size, target=target)


def source(descent: DirectoryFds, *files: Path, known: bool = False, parts: int = 0) -> BlobSource:
    top = os.path.dirname(os.fsencode(files[0]))
    entries = [scanned(file)._replace(parts=parts) for file in files]
    written = {os.path.basename(entry.path): entry for entry in entries}
    written |= {names.part(name, number): entry for name, entry in written.items() for number in range(parts)}
    return BlobSource(
        watched=Watched(path=top, single=False, repository="foo"), written=written, descent=descent,
        base=[entry.path for entry in entries] if known else (), recorded=frozenset(), before=lambda name: b"",
        sealer=None, as_owned=lambda entry, status: entry,
    )  # fmt: skip


def test_a_file_and_a_link(descent: DirectoryFds, tmp_path: Path) -> None:
    (program := tmp_path / "run").write_bytes(b"#!")
    program.chmod(0o755)
    (link := tmp_path / "link").symlink_to("nowhere")
    blobs = source(descent, program, link)
    assert blobs(b"run") == Blob(b"#!", is_executable=True) and blobs(b"link") == Blob(b"nowhere", is_link=True)
    entry = blobs.entries[os.fsencode(program)]
    assert entry is not None and entry.sha256 == hashlib.sha256(b"#!").digest()


def test_a_large_file_is_a_pointer_and_its_parts(
    descent: DirectoryFds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "PART_SIZE", 4)
    (large := tmp_path / "large").write_bytes(b"abcdef")
    blobs = source(descent, large, parts=2)
    pointer, *parts = [blobs(name) for name in (b"large", names.part(b"large", 0), names.part(b"large", 1))]
    blobs.close()
    assert pointer is not None and b"Kept in parts" in pointer.data
    assert parts == [Blob(b"abcd"), Blob(b"ef")]
    entry = blobs.entries[os.fsencode(large)]
    assert entry is not None and (entry.size, entry.sha256) == (6, hashlib.sha256(b"abcdef").digest())


@pytest.mark.parametrize("known", [False, True])
def test_a_file_that_is_gone_is_left_out_unless_it_was_kept_before(
    descent: DirectoryFds, tmp_path: Path, known: bool
) -> None:
    (file := tmp_path / "file").touch()
    blobs = source(descent, file, known=known)
    file.unlink()
    if known:
        with pytest.raises(Unkept) as caught:
            blobs(b"file")
        assert caught.value.gone
    else:
        assert blobs(b"file") is None and blobs.entries == {os.fsencode(file): None}
