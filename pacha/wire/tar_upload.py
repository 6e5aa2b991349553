"""Fill a temporary repository on the master with our files: ``tar -c`` here, ``tar -x`` there."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import TYPE_CHECKING

from pacha.system import background
from pacha.wire.master import HG, HG_REQUIRES, REQUIRES, STORE, CannotStream, digest_of

if TYPE_CHECKING:
    from pacha.wire.ssh import Commands, RemoteShell, Result, Stream

#: The files that tell a repository's format (hg help internals.requirements).
_FORMAT_FILES = (HG_REQUIRES, REQUIRES)
#: The files of ``.hg`` that are sent beside the store.
_BESIDE = (HG_REQUIRES, f"{HG}/00changelog.i")
_PIECE = 64 * 1024
_EVERY = 0.05  #: seconds after which tar is told what it has to pack
#: Without TAR_OPTIONS, which could leave out files without a word; what it says is in English.
_TAR = ("env", "-u", "TAR_OPTIONS", "LC_ALL=C", "LANGUAGE=C", "tar")
#: The account on the master decides about owners and modes.
_NOBODYS = ("--owner=0", "--group=0", "--numeric-owner", "--mode=ugo=rwX")


class TarUpload:
    """The temporary repositories of a ``connection``; ``init`` returns the command that makes one at a path.

    ``shell`` runs the small commands.
    """

    def __init__(
        self, connection: Commands, shell: RemoteShell, init: Callable[[bytes], Sequence[bytes | str]]
    ) -> None:
        self._connection = connection
        self._shell = shell
        self._init = init
        self._lock = threading.Lock()
        self._format: Future[list[str]] | None = None  #: of the first one

    def make(self, folder: bytes) -> bool:
        """Make ``folder`` for a repository: the first by ``hg init``, which shows the format of all.

        Returns whether it was made by this call. Makes none after the first one failed.
        """
        with self._lock:
            is_first = self._format is None
            self._format = self._format or background.start(self._made, folder)
        if is_first or not self._format.result():
            return bool(self._format.result())
        return self._shell.run(["mkdir", folder]).status == 0

    def begin(self, folder: bytes) -> Stream:
        """Start the command that fills ``folder``. The account and its umask decide about owner and mode."""
        return self._connection.stream(unpacking(folder))

    def fill(self, stream: Stream, repository: str, names: Iterable[bytes]) -> Result:
        """Send the files ``names`` of our ``repository`` into ``stream``, and return how the command ended.

        Raises what ``names`` raise, UnreachableError, and CannotStream where the formats differ or tar fails here.
        """
        if self._format is None or self._format.result() != format_of(repository):
            raise CannotStream
        try:
            with closing(pack(repository, names)) as pieces:
                for piece in pieces:
                    stream.write(piece)
        except BrokenPipeError:
            pass  # the result says why
        return stream.finish()

    def _made(self, folder: bytes) -> list[str]:
        """Make a repository and return its ``format_of``, [] if that fails or a file of the format is missing."""
        if self._shell.run(self._init(folder)).status:
            return []
        paths = [os.path.join(folder, os.fsencode(name)) for name in _FORMAT_FILES]
        result = self._shell.run(["sha256sum", *paths])
        lines = [line.lstrip(b"\\").split() for line in result.stdout.splitlines()]  # sha256sum(1): "\" for an odd path
        digests = [words[0].decode("ascii", "replace") for words in lines if words]
        return digests if len(digests) == len(_FORMAT_FILES) else []


def unpacking(folder: bytes) -> list[bytes | str]:
    """The command that unpacks a stream below ``folder``.

    With ``-i`` it reads up to the end of its input (see ``Stream.close_write``), not only up to the archive's.
    """
    return [*_TAR, "-x", "-i", "-o", "-m", "--no-same-permissions", "-C", folder, "-f", "-"]


def format_of(repository: str) -> list[str | None]:
    """The sha256 (hex) of each of ``_FORMAT_FILES``, None for a missing one."""
    return [digest_of(os.fsencode(os.path.join(repository, name))) for name in _FORMAT_FILES]


def pack(repository: str, names: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The archive of the files ``names`` below the store of ``repository``, each packed when it is named.

    Raises what ``names`` raise, and CannotStream where tar fails: it is not GNU's, or a file cannot be read.
    """
    command = [*_TAR, "-c", *_NOBODYS, "-f", "-", "--null", "-T", "-"]
    listing, told = os.pipe()
    with open(listing, "rb", buffering=0):
        naming = background.start(_tell, told, names)
        try:
            tar = subprocess.Popen(
                command, cwd=repository, stdin=listing, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            raise CannotStream from None
    with tar:
        assert tar.stdout is not None
        try:
            while piece := tar.stdout.read(_PIECE):
                yield piece
        except BaseException:  # the reader stopped
            tar.kill()
            raise
    if tar.returncode:
        raise CannotStream
    naming.result()


def _tell(fd: int, names: Iterable[bytes]) -> None:
    """Write the names of what to pack to the pipe ``fd``, and close it. Raises CannotStream if tar stops reading."""
    store, told = os.fsencode(STORE), 0.0
    try:
        with open(fd, "wb") as pipe:
            pipe.writelines(os.fsencode(name) + b"\0" for name in _BESIDE)
            for name in names:
                pipe.write(b"%s/%s\0" % (store, name))
                if (now := time.monotonic()) > told + _EVERY:
                    told = now
                    pipe.flush()
    except BrokenPipeError:
        raise CannotStream from None
