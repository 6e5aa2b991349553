"""A plain account, which has only sshd, scp and Mercurial: the commands that write there.

``hg init``, ``hg -R P serve --stdio``, ``hg -R P recover``, ``scp -r -f P``, ``sha256sum P``, ``cat P``, ``cat > P``,
``mkdir``, ``mv -T``, ``sync -f`` and ``date``, each with quoted paths, and nothing else; ``mv`` and ``sync`` alone
where these know no such option (busybox before 1.33). Those whose messages are read begin with ``IN_ENGLISH``.
``server.command_filter`` accepts these. ``tar -x`` fills a new repository faster, where it is possible. ``pacha
doctor`` alone runs more, which changes nothing: ``test -w P``, ``stat -f P``, ``hg version``, each program by itself.
One ``sh`` runs the small ones (``ssh.RemoteShell``).
"""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from pacha.errors import PachaError
from pacha.system import background
from pacha.text import escape
from pacha.wire.master import (
    HEARTBEAT,
    IN_ENGLISH,
    REQUIRES,
    CannotStream,
    NoRepository,
    Probe,
    RolledBack,
    TemporaryRepository,
    temporary_name,
)
from pacha.wire.plain_reader import MasterFull, PlainReader
from pacha.wire.remote_errors import (
    RemoteFault,
    classify,
    classify_conversation,
    lacks_option,
    locked,
    waits_for_lock,
)
from pacha.wire.tar_upload import TarUpload

if TYPE_CHECKING:
    from pacha.wire.ssh import Commands, Result, Stream

#: The first bytes of each conversation with Mercurial (hg help internals.wireprotocol, "SSH Protocol"). They are sent
#: early; ``store.hg`` says the same later, when the answer is already on its way.
OPENING = b"hello\nbetween\npairs 81\n" + b"0" * 40 + b"-" + b"0" * 40 + b"heads\n"


class PlainAccount(PlainReader):
    """The commands of a plain account over ``connection``; ``hosts_path`` and ``hg_command`` are the master's.

    ``machine`` returns the id (hexadecimal digits) of this machine.
    """

    def __init__(
        self,
        connection: Commands,
        hosts_path: bytes,
        hg_command: Sequence[str],
        init_config: Sequence[str],
        machine: Callable[[], str],
    ) -> None:
        super().__init__(connection, hosts_path, hg_command)
        self._init_config = tuple(init_config)
        self._machine = machine
        self._drafts: dict[tuple[str, bytes], Future[Result]] = {}
        self._lock = threading.Lock()
        self._upload: TarUpload | None = None

    def make_host(self, host: str) -> None:
        """``mkdir -m 700`` where it is missing."""
        path = self._path(host)
        result = self._run(["mkdir", "-m", "700", path])
        if result.status and classify(result) is not RemoteFault.EXISTS:
            raise self._failed(f"{escape(path)} cannot be made on the master.", result, host)

    def create(self, host: str, name: str) -> None:
        """``hg init`` with an explicit format, so that the master's configuration does not choose one.

        It is made under a temporary name and renamed: a half-made repository could never be opened.
        """
        if not self._is_there(host, name):
            temporary = self._path(host, f".new-{name}-{secrets.token_hex(4)}")
            self._must(self._init(temporary), _unmade(self._path(host, name)), host, self._hg[0])
            self._place(temporary, host, name)

    @contextmanager
    def new(self, host: str, name: str) -> Iterator[TemporaryRepository]:
        """A temporary repository that ``tar`` fills.

        An interrupted push leaves it behind. So each machine uses a single name for it, and cannot leave more than one.
        Raises CannotStream if that name exists already.
        """
        if shutil.which("tar") is None:
            raise CannotStream
        temporary, upload = self._path(host, temporary_name(name, self._machine()[:8])), self._uploads()
        folder = background.start(upload.make, temporary)
        if self._is_there(host, name) or not folder.result():
            raise CannotStream
        try:
            with upload.begin(temporary) as stream:  # early: sshd accepts input only a round trip later
                yield (repository := TemporaryRepository(partial(self._fill, host, name, stream)))
            if repository.filled:
                self._place(temporary, host, name)
        except MasterFull as error:
            error.hint = f"On the master, remove {escape(self._path(host))}/.new-*. {error.hint}"
            raise

    def _uploads(self) -> TarUpload:
        with self._lock:
            self._upload = self._upload or TarUpload(self._connection, self._shell, self._init)
        return self._upload

    def _fill(self, host: str, name: str, stream: Stream, repository: str, files: Iterable[bytes]) -> None:
        """Send the ``files`` of ``repository``. Raises CannotStream where its format differs, or tar(1) fails."""
        result = self._uploads().fill(stream, repository, files)
        if classify(result) is RemoteFault.FULL:
            raise self._failed(_unmade(self._path(host, name)), result, host, self._hg[0])
        if result.status:
            raise CannotStream

    def serve(self, host: str, name: str) -> AbstractContextManager[Stream]:
        """``hg serve --stdio`` over a channel."""
        recover = partial(self._recover, host, name)
        return self.repository(self._serving(self._path(host, name)), host, name, recover)

    @contextmanager
    def repository(
        self, argv: Sequence[bytes | str], host: str, name: str, recover: Callable[[], None]
    ) -> Iterator[Stream]:
        """A repository that ``argv`` serves on the master. What it writes to stderr explains an error of the body.

        Calls ``recover`` to roll back an interrupted push. Raises NoRepository, RolledBack.
        """
        path = self._path(host, name)
        with self._connection.stream(argv) as stream:
            try:
                stream.stdin.say_ahead(OPENING)
                yield stream
            except PachaError as error:
                if waits_for_lock(stream.complaints):
                    raise locked(error.message, stream.complaints) from None
                if stream.silent:
                    raise
                result = stream.finish()
                fault = classify_conversation(result)
                if fault is RemoteFault.NO_REPOSITORY:
                    raise NoRepository(
                        f"The repository {escape(path)} is not on the master.",
                        "",
                        self._add_host(host),
                        code="repository-not-on-master",
                    ) from None
                if fault is RemoteFault.ABANDONED:
                    recover()
                    why = "an interrupted push has been rolled back there"
                    raise RolledBack(error.message, why, "Push again.", code="push-rolled-back") from None
                if fault is RemoteFault.NO_PROGRAM:
                    raise self._failed("No repository can be reached.", result, host, self._hg[0]) from None
                if fault is RemoteFault.ABORTED:
                    raise self._failed(error.message, result, host) from None
                raise

    def _is_there(self, host: str, name: str) -> bool:
        return self._run(["sha256sum", self._path(host, name, REQUIRES)]).status == 0

    def _init(self, path: bytes) -> list[bytes | str]:
        return [*self._hg, "init", *self._init_config, path]

    def _serving(self, path: bytes) -> list[bytes | str]:
        return [*IN_ENGLISH, *self._hg, "-R", path, "serve", "--stdio"]

    def _place(self, temporary: bytes, host: str, name: str) -> None:
        """Give ``temporary`` its name. ``mv -T`` does not move it into a folder of that name."""
        path = self._path(host, name)
        result = self._run(["mv", "-T", temporary, path])
        if lacks_option(result) and not self._is_there(host, name):
            result = self._run(["mv", temporary, path])
        if result.status:
            raise self._failed(_unmade(path), result, host)

    def check_ended(self, stream: Stream, host: str, name: str) -> None:
        """Wait for the end of what serves the repository ``name``. Raises PachaError if it failed."""
        result = stream.finish()
        if result.status:
            raise self._failed(_unmade(self._path(host, name)), result, host, self._hg[0])

    def _recover(self, host: str, name: str) -> None:
        """``hg recover``: roll back an interrupted push, for example after a full disk."""
        recover: list[bytes | str] = [*self._hg, "-R", self._path(host, name), "recover"]
        self._must(recover, f"{name} cannot be repaired.", host, self._hg[0])

    def draft_heartbeat(self, host: str, line: bytes) -> None:
        """Start ``cat`` into a temporary file."""
        self._drafts[host, line] = background.start(self._shell.write, self._path(host, HEARTBEAT) + b".new", line)

    def leave_heartbeat(
        self, host: str, line: bytes, *, durable: bool, look: Sequence[str] | None = None
    ) -> Probe | None:
        """``sync -f`` and ``cat`` into a temporary file, then ``mv``; a probe in parallel."""
        path, folder = self._path(host, HEARTBEAT), self._path(host)
        temporary = path + b".new"
        message = "The heartbeat cannot be left on the master."
        pending_probe = None if look is None else background.start(self.probe, host, look)
        written = self._drafts.pop((host, line), None) or background.start(self._shell.write, temporary, line)
        if durable:
            self._sync(folder, message, host)
        result = written.result()
        if result.status:
            raise self._failed(message, result, host)
        self._must(["mv", "-f", temporary, path], message, host)
        return pending_probe.result() if pending_probe else None

    def _sync(self, folder: bytes, message: str, host: str) -> None:
        """Write what is below ``folder`` to the disk, or everything, where sync(1) knows no ``-f``."""
        result = self._run(["sync", "-f", folder])
        if lacks_option(result):
            result = self._run(["sync"])
        if result.status:
            raise self._failed(message, result, host)


def _unmade(path: bytes) -> str:
    return f"The repository {escape(path)} cannot be made."
