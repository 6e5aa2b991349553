"""Zeros become holes where a file had some; everything else is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.files.entry import EVERYWHERE, Holes
from pacha.restore.holes import HoleWriter

BLOCK = 65536
DATA = b"a" * BLOCK + bytes(2 * BLOCK) + b"b" * 100 + bytes(2 * BLOCK - 100)


@pytest.mark.parametrize("length", [1000, BLOCK, 100_000, len(DATA)])
@pytest.mark.parametrize(
    ("holes", "blocks"),
    [
        ((), 5),
        (EVERYWHERE, 2),
        (((2 * BLOCK, BLOCK),), 4),
        (((BLOCK + 4096, BLOCK - 8192), (4 * BLOCK, BLOCK)), 3.125),
        (((0, 3 * BLOCK),), 3),
        (((9 * BLOCK, BLOCK),), 5),
    ],
)
def test_zeros_within_holes_take_no_room(tmp_path: Path, length: int, holes: Holes, blocks: float) -> None:
    fd = os.open(tmp_path / "f", os.O_WRONLY | os.O_CREAT)
    try:
        writer = HoleWriter(fd, holes)
        for start in range(0, len(DATA), length):
            writer.write(DATA[start : start + length])
        writer.finish()
    finally:
        os.close(fd)
    assert (tmp_path / "f").read_bytes() == DATA
    taken = (tmp_path / "f").stat().st_blocks * 512 / BLOCK
    if length % BLOCK == 0:  # zeros are looked for in each chunk by itself
        assert taken == blocks
