"""Write a file with holes only where it had them: swapon(8), for one, refuses a file with holes."""

from __future__ import annotations

import os

from pacha.files.entry import SMALLEST_HOLE, Holes
from pacha.system.syscalls import write_all

_ZEROS = bytes(SMALLEST_HOLE)


class HoleWriter:
    """Writes the descriptor ``fd`` from its start. Zeros within ``holes`` (offset, length) become holes."""

    def __init__(self, fd: int, holes: Holes) -> None:
        """``fd`` is an empty file; ``holes`` are in the order of their offsets."""
        self._fd, self._offset = fd, 0
        self._holes = [(start, start + length) for start, length in reversed(holes)]

    def write(self, chunk: bytes) -> None:
        """Write the next bytes. Raises OSError."""
        done = 0
        while done < len(chunk):
            start, end = self._next_hole()
            is_hole = start <= self._offset
            piece = chunk[done : done + (end if is_hole else start) - self._offset]
            if is_hole:
                self._write_around_zeros(piece)
            else:
                write_all(self._fd, piece)
            done += len(piece)
            self._offset += len(piece)

    def finish(self) -> None:
        """Set the size of a file that ends with a hole: nothing was written after that. Raises OSError."""
        if os.lseek(self._fd, 0, os.SEEK_END) < self._offset:
            os.ftruncate(self._fd, self._offset)

    def _next_hole(self) -> tuple[int, int]:
        """The hole (start, end) that holds the next byte, or the first one after it."""
        while self._holes and self._holes[-1][1] <= self._offset:
            self._holes.pop()
        return self._holes[-1] if self._holes else (2**63, 2**63)

    def _write_around_zeros(self, piece: bytes) -> None:
        view, start = memoryview(piece), 0
        for offset in range(0, len(piece), SMALLEST_HOLE):
            length = min(SMALLEST_HOLE, len(piece) - offset)
            if piece.startswith(_ZEROS[:length], offset):
                write_all(self._fd, view[start:offset])
                os.lseek(self._fd, length, os.SEEK_CUR)
                start = offset + length
        write_all(self._fd, view[start:])
