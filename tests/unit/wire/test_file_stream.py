"""The files of a history as a stream: the same on the other side, and nothing but a history."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.wire.file_stream import pack, requirements_of, unpack
from pacha.wire.master import CannotStream, store_files

FILES = {
    b"00changelog.i": b"c",
    b"data/_a.i": b"a" * 600_000,
    b"data/dir/~2eb.d": b"",
    b"dh/x/y.i": b"d",
    b"fncache": b"f",
}


@pytest.fixture
def repository(tmp_path: Path) -> str:
    store = tmp_path / "foo" / ".hg" / "store"
    for name, content in {**FILES, b"phaseroots": b"1", b"journal": b"j", b"requires": b"x\n", b"lock": b""}.items():
        path = store / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "foo/.hg/requires").write_bytes(b"share-safe\n")
    (tmp_path / "foo/.hg/hgrc").write_bytes(b"[hooks]\n")
    return str(tmp_path / "foo")


def test_the_history_and_nothing_else_arrives(repository: str, tmp_path: Path) -> None:
    stream = io.BytesIO(b"".join(pack(repository, [b"../hgrc", b"phaseroots", *store_files(repository)])))
    there = tmp_path / "there"
    assert unpack(stream, os.fsencode(there)) == FILES.keys() and stream.read() == b""
    assert {
        os.fsencode(path.relative_to(there)): path.read_bytes() for path in there.rglob("*") if path.is_file()
    } == FILES


def test_the_stream_does_not_wait_for_all_names(repository: str) -> None:
    def names() -> Iterator[bytes]:
        yield b"data/_a.i"
        raise AssertionError("it was asked for the next name")

    assert next(pack(repository, names())).startswith(b"600000 data/_a.i\n")


def test_the_format_is_told(repository: str) -> None:
    assert requirements_of(repository) == ["x"]
    Path(repository, ".hg/requires").write_bytes(b"shared\n")
    with pytest.raises(CannotStream):
        requirements_of(repository)


def test_a_file_that_is_gone(repository: str) -> None:
    with pytest.raises(CannotStream):
        list(pack(repository, [b"data/gone.i"]))


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"1 data/a.i\nx",
        b"9 data/a.i\nx\n",
        b"1 data/a.i\nx1 data/a.i\ny\n",
        b"x data/a.i\nx\n",
        b"-1 data/a.i\n\n",
        b"1  data/a.i\nx\n",
        b"1 data/a.i\0\nx\n",
        b"1 data/a.i",
        b"1 " + b"data/" + b"x" * 2000 + b".i\nx\n",
        b"300000000 data/a.i\n" + b"x" * 1000,
        *(b"1 %b\nx\n" % name for name in [
            b"../a.i", b"data/../a.i", b"data/../../../hgrc.i", b"/etc/a.i", b"data//a.i", b"data/.a.i", b"data/a",
            b"a.i", b"requires", b"../requires", b"hgrc", b"journal", b"undo", b"lock", b"phaseroots", b"bookmarks",
            b"data/a.hg/hgrc", b"00changelog.i/a.i", b"data", b"data/\x01.i", b"data/\xff.i", b"meta/a.i", b"obsstore",
        ]),
    ],
)  # fmt: skip
def test_anything_else_is_refused(stream: bytes, tmp_path: Path) -> None:
    with pytest.raises(DamagedError):
        unpack(io.BytesIO(stream), os.fsencode(tmp_path / "store"))
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert {path.name for path in tmp_path.rglob("*")} <= {"store", "data", "a.i"}
