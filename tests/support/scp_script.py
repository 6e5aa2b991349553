"""The other end of an scp copy, played from a script."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path


class Script:
    """A sender that says what it was told to say, in pieces of a size, whatever it is answered."""

    def __init__(self, data: bytes, piece: int = 1 << 30) -> None:
        self._data = data
        self._piece = piece
        self.reads: list[int] = []
        self.written = b""

    def read(self, n: int) -> bytes:
        self.reads.append(n)
        size = min(n, self._piece)
        data, self._data = self._data[:size], self._data[size:]
        return data

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


class Inbox:
    """An empty private folder in a folder of its own, so that what lands beside it is seen."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.around = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.path = self.around / "inbox"
        self.path.mkdir(0o700)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        self._stack.callback(os.close, self.fd)

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*"))


#: What regress/scp-ssh-wrapper.sh of OpenSSH sends as badserver_0 to 7, alone and below the right top;
#: @DIR@ stands for the folder around the inbox.
BAD = b"../../../../../../../../../../../../..@DIR@/dotpathdir"

BADSERVER = [
    b"D0755 0 @DIR@/rootpathdir\nC755 2 rootpathfile\nX\n",
    b"D0755 0 %s\nC755 2 file\nX\n" % BAD,
    b"D0755 0 %s\nC755 2 file\nX\n" % BAD,
    b"D0755 0 ..\n" * 13 + b"D0755 0 tmp\nD0755 0 dotpathdir\nC755 2 file\nX\n",
    b"D0755 0 ..\n" * 13 + b"D0755 0 tmp\nD0755 0 dotpathdir\nD0755 0 ..\nC755 2 file\nX\n",
    b"D0555 0 \nX\n",
    b"D0555 0 .\nX\n",
    b"C0755 2 extrafile\nX\n",
]
