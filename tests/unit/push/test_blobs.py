"""The blobs of a commit: what each name holds, each file read once, and what cannot be read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from pacha.errors import PurgedError
from pacha.files import content, names
from pacha.files.dirfd import DirectoryFds
from pacha.files.entry import Entry, Kind
from pacha.push.blobs import BlobSource, Unkept
from pacha.sealing import keys, recipients
from pacha.sealing.sealer import Sealer
from pacha.store.hg import Blob
from pacha.store.snapshot import Watched
from tests.support.entries import entry_at
from tests.support.sealing import sealers


@pytest.fixture(name="descent")
def descent_into(tmp_path: Path) -> Iterator[DirectoryFds]:
    with DirectoryFds(os.fsencode(tmp_path)) as descent:
        yield descent


def scanned(file: Path) -> Entry:
    status, target = file.lstat(), os.fsencode(os.readlink(file)) if file.is_symlink() else None
    kind = Kind.FILE if target is None else Kind.SYMLINK
    xattrs = tuple(
        (os.fsencode(name), os.getxattr(file, name, follow_symlinks=False))
        for name in os.listxattr(file, follow_symlinks=False)
    )
    return entry_at(
        os.fsencode(file), kind, mode=status.st_mode & 0o7777, size=status.st_size, target=target, xattrs=xattrs
    )


def source(
    descent: DirectoryFds,
    *files: Path,
    known: bool = False,
    parts: int = 0,
    sealed: bytes | None = None,
    sealer: Sealer | None = None,
    before: Callable[[bytes], bytes] | None = None,
) -> BlobSource:
    top = os.path.dirname(os.fsencode(files[0]))
    entries = [scanned(file)._replace(parts=parts, sealed=sealed) for file in files]
    written = {os.path.basename(entry.path): entry for entry in entries}
    written |= {names.part(name, number): entry for name, entry in written.items() for number in range(parts)}
    return BlobSource(
        watched=Watched(path=top, single=False, repository="foo"), written=written, descent=descent,
        base=[entry.path for entry in entries] if known else (),
        recorded={entry.path for entry in entries} if before else frozenset(),
        before=before or (lambda name: b""), sealer=sealer, as_owned=lambda entry, status: entry,
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


def test_a_large_file_that_changes_while_it_is_read_is_named(
    descent: DirectoryFds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "PART_SIZE", 4)
    (large := tmp_path / "large").write_bytes(b"abcdef")
    blobs = source(descent, large, parts=2)
    blobs(names.part(b"large", 0))
    large.write_bytes(b"ABCDEF")
    assert blobs(names.part(b"large", 1)) == Blob(b"EF")
    blobs.close()
    entry = blobs.entries[os.fsencode(large)]
    assert entry is not None and entry.sha256 == hashlib.sha256(b"abcdEF").digest(), "what is kept can be checked"
    assert [(concern.path, concern.reason.partition(";")[0]) for concern in blobs.concerns] == [
        (os.fsencode(large), "changed while it was read")
    ]


@pytest.mark.parametrize("parts", [0, 2])
def test_what_is_to_be_sealed_is_never_read_into_the_clear(descent: DirectoryFds, tmp_path: Path, parts: int) -> None:
    (secret := tmp_path / "secret").write_bytes(b"secret")
    blobs = source(descent, secret, known=True, parts=parts, sealed=b"")
    with pytest.raises(Unkept):
        blobs(names.part(b"secret", 0) if parts else b"secret")
    assert blobs.entries == {}


def test_what_is_sealed_has_no_attribute_in_the_clear(descent: DirectoryFds, tmp_path: Path) -> None:
    people = recipients.read(str(sealers(tmp_path / "people").recipients))
    (secret := tmp_path / "secret").write_bytes(b"secret")
    os.setxattr(secret, "user.note", b"secret")
    blobs = source(descent, secret, sealed=b"", sealer=Sealer(keys.make(people), people))
    blob, entry = blobs(b"secret"), blobs.entries[os.fsencode(secret)]
    assert blob is not None and b"secret" not in blob.data
    assert entry is not None and entry.sealed and b"user.note" not in dict(entry.xattrs)


def test_what_was_recorded_is_not_read_from_the_disk_unless_it_was_purged(
    descent: DirectoryFds, tmp_path: Path
) -> None:
    def purged(name: bytes) -> NoReturn:
        raise PurgedError("It has no content any more.", "it was purged", "Name another.", code="content-purged")

    (file := tmp_path / "file").write_bytes(b"here")
    assert source(descent, file, before=lambda name: b"recorded")(b"file") == Blob(b"recorded")
    assert source(descent, file, before=purged)(b"file") == Blob(b"here"), "nobody else has it"


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
