"""A few bytes do not expand without end, and no more comes at once than is taken."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
from mercurial import bundle2, changegroup, error, policy, revlog
from mercurial.utils import compression

from pacha.errors import DamagedError
from pacha.store.hg import NULL, Blob, Note, Repository, bounds, open_peer
from pacha.store.revision import MOST

# Mercurial leaves files of its own open for the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

NOTE = Note("a bomb", "root@bar", 1_700_000_000.0)


def zstd(text: bytes) -> bytes:
    packer = policy.get_zstd().ZstdCompressor(level=3).compressobj()
    return bytes(packer.compress(text) + packer.flush())


def unzstd(data: bytes) -> bytes:
    return bytes(compression.compengines[b"zstd"].revlogcompressor(None).decompress(data))


BOTH = [(zstd, unzstd), (zlib.compress, lambda data: revlog._zlibdecompress(data))]


@pytest.mark.parametrize(("pack", "unpack"), BOTH, ids=["zstd", "zlib"])
@pytest.mark.parametrize("text", [b"", b"a", b"text\n" * 20, bytes(1 << 20), os.urandom(300_000)], ids=len)
def test_what_is_usual_comes_back(pack: type[bytes], unpack: type[bytes], text: bytes) -> None:
    assert unpack(pack(text)) == text


@pytest.mark.parametrize(("pack", "unpack"), BOTH, ids=["zstd", "zlib"])
def test_the_bound(monkeypatch: pytest.MonkeyPatch, pack: type[bytes], unpack: type[bytes]) -> None:
    monkeypatch.setattr(bounds, "MOST", 1 << 20)
    monkeypatch.setattr(bounds, "_SAFE", 32)
    assert unpack(pack(bytes(1 << 20))) == bytes(1 << 20)
    with pytest.raises(error.StorageError, match="expand to more than 1 MiB"):
        unpack(pack(bytes((1 << 20) + 1)))
    large = os.urandom(10_000) + bytes(1 << 20)  # more than the floor, and backed by bytes
    assert unpack(pack(large)) == large


def test_nothing_that_is_not_looked_at_expands_beyond_it() -> None:
    """Shorter chunks are unpacked as they are: they cannot be bombs."""
    packed = zstd(bytes(MOST + 1))
    assert len(packed) >= bounds._SAFE
    assert len(zlib.compress(bytes(MOST + 1))) >= bounds._SAFE


def test_a_damaged_chunk_is_damage() -> None:
    with pytest.raises(error.StorageError):
        unzstd(b"\x28\xb5\x2f\xfd" + b"\xff" * 5000)


@pytest.mark.slow
def test_a_repository_with_a_bomb_in_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository.open(str(tmp_path / "db"), create=True)
    first = repository.commit(NULL, [b"pacha.db"], [], lambda name: Blob(b"one"), NOTE)
    with monkeypatch.context() as patch:
        patch.setattr(bounds, "_PACKED", 1 << 30)
        bomb = repository.commit(first, [b"pacha.db"], [], lambda name: Blob(bytes(MOST + 1)), NOTE)
    again = Repository.open(str(tmp_path / "db"))
    assert again.reader(first)(b"pacha.db") == b"one"
    with pytest.raises(DamagedError) as caught:
        again.reader(bomb)(b"pacha.db")
    assert "expand to more than 64 MiB" in caught.value.why
    with open_peer(str(tmp_path / "db"), "db") as peer, pytest.raises(DamagedError, match="cannot be fetched"):
        peer.pull(Repository.open(str(tmp_path / "mine"), create=True), [bomb])


def test_no_larger_revision_is_pulled_than_is_taken(tmp_path: Path) -> None:
    repository = Repository.open(str(tmp_path / "db"), create=True)
    node = repository.commit(NULL, [b"pacha.db"], [], lambda name: Blob(os.urandom(1 << 20)), NOTE)
    mine = Repository.open(str(tmp_path / "mine"), create=True)
    with open_peer(str(tmp_path / "db"), "db") as peer:
        with pytest.raises(DamagedError, match="cannot be fetched") as caught:
            peer.pull(mine, [node], 1 << 19)
        assert caught.value.code == "revision-too-large" and "1 MiB" in caught.value.why
    with open_peer(str(tmp_path / "db"), "db") as peer:
        peer.pull(Repository.open(str(tmp_path / "mine")), [node], 2 << 20)
    assert Repository.open(str(tmp_path / "mine")).has(node)


def test_a_conversation_is_bounded_for_as_long_as_it_lasts() -> None:
    plain, parameters = changegroup.cg1unpacker._chunklength, dict(bundle2.b2streamparamsmap)
    with bounds.bound_conversation(1000):
        for size, refused in ((1000, False), (1001, True), (2**31 - 5, True)):
            unpacker = changegroup.cg1unpacker(io.BytesIO(struct.pack(">l", size + 4)), None)
            if refused:
                with pytest.raises(bounds.TooLargeError, match="the limit"):
                    unpacker._chunklength()
            else:
                assert unpacker._chunklength() == size
        assert b"compression" not in bundle2.b2streamparamsmap
    assert changegroup.cg1unpacker._chunklength is plain and bundle2.b2streamparamsmap == parameters
