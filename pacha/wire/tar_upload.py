"""Fill a new repository on the master with the files of ours: ``tar -c`` here, ``tar -x`` there."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import TYPE_CHECKING

from pacha.system import background
from pacha.wire.master import HG, HG_REQUIRES, REQUIRES, STORE, CannotStream, digest_of, is_store_file

if TYPE_CHECKING:
    from pacha.wire.ssh import Connection, Result, Stream

#: What says of which format a repository is (hg help internals.requirements).
_FORMAT_FILES = (HG_REQUIRES, REQUIRES)
#: Of ``.hg``, what is sent beside the store itself.
_BESIDE = (HG_REQUIRES, f"{HG}/00changelog.i")
#: Which phase a revision is in is not told: on a master, each is public (hg help phases).
_NOT_TOLD = "phaseroots"
_PIECE = 64 * 1024
#: With its own options and no others, be it here or there: it would leave out what they say, and not tell.
_TAR = ("env", "-u", "TAR_OPTIONS", "tar")
#: Whose the files are and who may read them is for the account over there to say.
_NOBODYS = ("--owner=0", "--group=0", "--numeric-owner", "--mode=ugo=rwX")


class TarUpload:
    """The new repositories of one ``connection``; ``init`` gives the words that make one at a path over there."""

    def __init__(self, connection: Connection, init: Callable[[bytes], Sequence[bytes | str]]) -> None:
        self._connection = connection
        self._init = init
        self._one = threading.Lock()
        self._format: Future[list[str]] | None = None  #: of the first that is made

    def make(self, folder: bytes) -> bool:
        """Make ``folder`` for a repository: the first by ``hg init``, whose format the others are to have.

        Returns whether it is made, and was not there. No folder is made where the first could not be.
        """
        with self._one:
            is_first = self._format is None
            self._format = self._format or background.start(self._made, folder)
        if is_first or not self._format.result():
            return bool(self._format.result())
        return self._connection.run(["mkdir", folder]).status == 0

    def begin(self, folder: bytes) -> Stream:
        """What fills ``folder``: files of the account over there, as its umask says."""
        return self._connection.stream(unpacking(folder))

    def fill(self, stream: Stream, repository: str) -> Result:
        """Send all of our ``repository`` into ``stream``; how that ends.

        Raises CannotStream where it is of another format than what is made there, or tar here does not do it;
        UnreachableError.
        """
        if self._format is None or self._format.result() != format_of(repository):
            raise CannotStream
        try:
            with closing(pack(repository)) as pieces:
                for piece in pieces:
                    stream.write(piece)
        except BrokenPipeError:
            pass  # how it ends says why
        return stream.finish()

    def _made(self, folder: bytes) -> list[str]:
        """What ``format_of`` says of a repository that is made there; [] for none, or one that has not all of them."""
        if self._connection.run(self._init(folder)).status:
            return []
        said = self._connection.run(["sha256sum", *(os.path.join(folder, os.fsencode(one)) for one in _FORMAT_FILES)])
        lines = [line.lstrip(b"\\").split() for line in said.stdout.splitlines()]  # sha256sum(1): an odd path after it
        found = [words[0].decode("ascii", "replace") for words in lines if words]
        return found if len(found) == len(_FORMAT_FILES) else []


def unpacking(folder: bytes) -> list[bytes | str]:
    """The command that unpacks a stream below ``folder``.

    With ``-i`` it goes on to the end of its input, which is ours to send (see ``Stream.close_write``), and does not end
    where the archive does.
    """
    return [*_TAR, "-x", "-i", "-o", "-m", "--no-same-permissions", "-C", folder, "-f", "-"]


def format_of(repository: str) -> list[str | None]:
    """The sha256 (hex) of each of ``_FORMAT_FILES``, None for one that it does not have."""
    return [digest_of(os.fsencode(os.path.join(repository, name))) for name in _FORMAT_FILES]


def pack(repository: str) -> Generator[bytes, None, None]:
    """The stream: all that the history in ``repository`` is made of, by its path below it.

    Raises CannotStream where tar does not do it: it is another one than GNU's, or the files cannot be read.
    """
    command = [*_TAR, "-c", *_NOBODYS, "-C", repository, "-f", "-", *_BESIDE, *_of_store(repository)]
    try:
        tar = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        raise CannotStream from None
    with tar:
        assert tar.stdout is not None
        try:
            while piece := tar.stdout.read(_PIECE):
                yield piece
        except GeneratorExit:  # nobody wants the rest
            tar.kill()
            raise
    if tar.returncode:
        raise CannotStream


def _of_store(repository: str) -> list[str]:
    """What of the store is sent: files, and folders with all that is below them.

    The changelog comes last: a stream that ends too early has none, and so does not look like what was sent.
    """
    with os.scandir(os.path.join(repository, STORE)) as found:
        wanted = [one.name for one in found if is_store_file(os.fsencode(one.name), one.is_dir())]
    in_order = sorted(wanted, key=lambda name: (name.startswith("00changelog"), name))
    return [f"{STORE}/{name}" for name in in_order if name != _NOT_TOLD]
