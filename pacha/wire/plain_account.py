"""The plain set: what is asked of an account that has nothing but sshd, scp and Mercurial.

``hg init``, ``hg -R P serve --stdio``, ``hg -R P recover``, ``scp -r -f P``, ``sha256sum P``, ``cat > P``, ``mkdir``,
``mv``, ``sync -f`` and ``date``, each with quoted paths, and nothing else. ``actions.permitted`` accepts these.
A new repository is filled by ``tar -x``; nothing depends on it. ``pacha doctor`` alone asks for more, which changes
nothing: ``test -w P``, ``stat -f P``, ``hg version``, ``scp``.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pacha.errors import PachaError, UnreachableError
from pacha.files.names import DATABASE
from pacha.system import background
from pacha.text import escape
from pacha.wire import hook_files, scp
from pacha.wire.master import (
    CHANGELOG,
    CHANGELOG_OF_ANY,
    HEARTBEAT,
    PUSH,
    REBUILD,
    REQUIRES,
    CannotStream,
    Examined,
    NoHost,
    NoRepository,
    Probe,
    RolledBack,
    TemporaryRepository,
    beside_of,
    is_store_file,
)
from pacha.wire.remote_errors import (
    RemoteFault,
    add_host,
    add_host_or_give,
    classify,
    classify_conversation,
    classify_copy,
    classify_words,
    locked,
    only_missing,
    said_by,
    shut_out,
    waits_for_lock,
)

if TYPE_CHECKING:
    from pacha.wire.ssh import Connection, Result, Stream
    from pacha.wire.tar_upload import TarUpload

#: How each conversation with Mercurial begins (hg help internals.wireprotocol, "SSH Protocol"): ``store.hg`` says the
#: same, when the answer is already on its way.
_OPENING = b"hello\nbetween\npairs 81\n" + b"0" * 40 + b"-" + b"0" * 40 + b"heads\n"
_LIMITS = scp.Limits(total_bytes=1 << 40, files=2_000_000, depth=600)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted of a folder that is copied: what it must be called, which files, how many at the most."""

    top: bytes
    accept: Callable[[bytes, bool], bool]
    limits: scp.Limits


class _Full(PachaError):
    """The disk over there is full, or a quota is used up."""


class PlainAccount:
    """What is asked of an account over ``connection``; ``hosts_path`` and the words that call ``hg`` over there.

    ``machine`` gives the id (hexadecimal digits) of this one.
    """

    def __init__(
        self,
        connection: Connection,
        hosts_path: bytes,
        hg_command: Sequence[str],
        init_config: Sequence[str],
        machine: Callable[[], str],
    ) -> None:
        self._connection = connection
        self.hosts_path = hosts_path
        self._hg = tuple(hg_command)
        self._init_config = tuple(init_config)
        self._machine = machine
        self._drafts: dict[tuple[str, bytes], Future[Result]] = {}
        self._one = threading.Lock()
        self._upload: TarUpload | None = None

    def probe(self, host: str, names: Sequence[str] = ()) -> Probe:
        """Look at ``host``'s folder: the clock and the changelogs at once, each on a channel of its own."""
        paths = [self._path(host, CHANGELOG), *(self._path(host, name, CHANGELOG_OF_ANY) for name in names)]
        clock = background.start(self._connection.run, ["date", "-u", "+%s.%N"])
        found = self._digests(self._connection.run(["sha256sum", *paths]), host)
        contents = {name: found.get(name) for name in names}
        return Probe(_clock(clock.result()), found.get(DATABASE), contents=contents)

    def make_host(self, host: str) -> None:
        """``mkdir -m 700`` where it is missing."""
        path = self._path(host)
        result = self._connection.run(["mkdir", "-m", "700", path])
        if result.status and classify(result) is not RemoteFault.EXISTS:
            raise self._failed(f"{escape(path)} cannot be made on the master.", result, host)

    def create(self, host: str, name: str) -> None:
        """``hg init`` with an explicit format, so that no configuration over there chooses it.

        It is made beside and renamed: one that is cut off half-way could never be opened.
        """
        if not self._is_there(host, name):
            beside = self._path(host, f".new-{name}-{secrets.token_hex(4)}")
            self._must(self._init(beside), _unmade(self._path(host, name)), host, self._hg[0])
            self._place(beside, host, name)

    @contextmanager
    def new(self, host: str, name: str) -> Iterator[TemporaryRepository]:
        """A repository that is filled by ``tar`` before it gets its name. Raises CannotStream.

        What a push that was cut off leaves is as large as that had come: so there is one place for it, which is this
        machine's, and who finds that taken does without.
        """
        if shutil.which("tar") is None:
            raise CannotStream
        beside, upload = self._path(host, beside_of(name, self._machine()[:8])), self._uploads()
        made = background.start(upload.make, beside)
        if self._is_there(host, name) or not made.result():
            raise CannotStream
        try:
            with upload.begin(beside) as stream:  # now: sshd takes no input before the turn of the line after that
                yield (blank := TemporaryRepository(partial(self._fill, host, name, stream)))
            if blank.filled:
                self._place(beside, host, name)
        except _Full as error:
            error.hint = f"On the master, remove {escape(self._path(host))}/.new-*. {error.hint}"
            raise

    def _uploads(self) -> TarUpload:
        from pacha.wire.tar_upload import TarUpload

        with self._one:
            self._upload = self._upload or TarUpload(self._connection, self._init)
        return self._upload

    def _fill(self, host: str, name: str, stream: Stream, repository: str) -> None:
        """Send all of ``repository``. Raises CannotStream where its format differs, or tar(1) fails."""
        result = self._uploads().fill(stream, repository)
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
        """A repository that ``argv`` serves over there; what it complains of explains what went wrong here.

        ``recover`` is called to roll back what a push that was cut off has left. Raises NoRepository, RolledBack.
        """
        path = self._path(host, name)
        with self._connection.stream(argv) as stream:
            try:
                stream.stdin.say_ahead(_OPENING)
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
                    why = "a push that was cut off there has been rolled back"
                    raise RolledBack(error.message, why, "Push again.", code="push-rolled-back") from None
                if fault is RemoteFault.NO_PROGRAM:
                    raise self._failed("No repository can be reached.", result, host, self._hg[0]) from None
                if fault is RemoteFault.ABORTED:
                    raise self._failed(error.message, result, host) from None
                raise

    def _is_there(self, host: str, name: str) -> bool:
        return self._connection.run(["sha256sum", self._path(host, name, REQUIRES)]).status == 0

    def _init(self, path: bytes) -> list[bytes | str]:
        return [*self._hg, "init", *self._init_config, path]

    def _serving(self, path: bytes) -> list[bytes | str]:
        return [*self._hg, "-R", path, "serve", "--stdio"]

    def _place(self, beside: bytes, host: str, name: str) -> None:
        path = self._path(host, name)
        self._must(["mv", "-T", beside, path], _unmade(path), host)

    def check_ended(self, stream: Stream, host: str, name: str) -> None:
        """Raise PachaError unless what serves the repository ``name`` ends well, now that nothing more is said."""
        result = stream.finish()
        if result.status:
            raise self._failed(_unmade(self._path(host, name)), result, host, self._hg[0])

    def _recover(self, host: str, name: str) -> None:
        """``hg recover``: roll back what a push that was cut off left, such as when the disk was full."""
        recover: list[bytes | str] = [*self._hg, "-R", self._path(host, name), "recover"]
        self._must(recover, f"{name} cannot be repaired.", host, self._hg[0])

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """``scp -r -f`` of the store, with acknowledgements sent ahead."""
        accept = _Wanted(b"store", is_store_file, _LIMITS)
        return self._copy(host, self._path(host, name, ".hg/store"), inbox, accept, on_file)

    def fetch_hooks(self, host: str, inbox: int) -> list[hook_files.Hook]:
        """``scp -r -f`` of their folder; whose they are is not told that way."""
        received: list[scp.Received] = []
        accept = _Wanted(os.fsencode(host), hook_files.is_hook_file, hook_files.LIMITS)
        try:
            self._copy(host, hook_files.folder_of(self.hosts_path, host), inbox, accept, received.append)
        except NoHost:
            return []
        return [hook_files.hook_of(one.name, one.mode) for one in received]

    def _copy(
        self, host: str, path: bytes, inbox: int, wanted: _Wanted, on_file: Callable[[scp.Received], None]
    ) -> scp.Totals:
        with self._connection.stream(["scp", "-r", "-f", path]) as stream:
            try:
                totals = scp.receive(
                    stream, inbox, top=wanted.top, accept=wanted.accept, limits=wanted.limits, on_file=on_file
                )
            except scp.Refused:
                raise NoHost(
                    f"There is no {escape(path)} on the master.", "", self._add_host(host), code="copy-source-missing"
                ) from None
            except UnreachableError:
                raise  # it need not be waited for once more
            except PachaError as error:
                what, result = f"{escape(path)} cannot be copied.", stream.finish()
                fault = classify_copy(result)
                if fault in (RemoteFault.NOT_RUN, RemoteFault.KEY_REFUSED):
                    raise self._failed(what, result, host, "scp") from None
                if fault is RemoteFault.NO_HOST:
                    raise NoHost(said_by(result), "", self._add_host(host), code="nothing-on-master") from None
                if isinstance(error, scp.RemoteError) and classify_words(error.subject) is RemoteFault.DENIED:
                    raise UnreachableError(what, error.why, self._give(host), code="copy-denied") from None
                raise
            result = stream.finish(end_input=False)
        if result.status and not totals.passed_over:
            raise scp.RemoteError(
                f"{escape(path)} was not copied whole.", said_by(result), "Run this again.", code="copy-incomplete"
            )
        return totals

    def draft(self, host: str, line: bytes) -> None:
        """Begin with ``cat`` beside the heartbeat, and with the channels that ``beat`` needs."""
        self._connection.open_ahead(5)
        self._drafts[host, line] = background.start(self._connection.write, self._path(host, HEARTBEAT) + b".new", line)

    def beat(self, host: str, line: bytes, *, durable: bool, look: Sequence[str] | None = None) -> Probe | None:
        """``sync -f`` and ``cat`` beside, then ``mv`` over it; a look meanwhile."""
        path, folder = self._path(host, HEARTBEAT), self._path(host)
        beside = path + b".new"
        what = "The heartbeat cannot be left on the master."
        seen = None if look is None else background.start(self.probe, host, look)
        written = self._drafts.pop((host, line), None) or background.start(self._connection.write, beside, line)
        if durable:
            self._must(["sync", "-f", folder], what, host)
        result = written.result()
        if result.status:
            raise self._failed(what, result, host)
        self._must(["mv", "-f", beside, path], what, host)
        return seen.result() if seen else None

    def examine(self, host: str) -> Examined:
        """What the account has and may, each asked on a channel of its own."""
        folder = self._path(host)
        asked: list[list[bytes | str]] = [
            ["date", "-u", "+%s.%N"],
            [*self._hg, "version", "-q"],
            ["scp"],  # it complains of its usage, if there is one
            ["test", "-e", folder],
            ["test", "-w", folder],
            ["test", "-w", self.hosts_path],
            ["stat", "-f", "-c", "%a %S", self.hosts_path],
        ]
        answers = [background.start(self._connection.run, argv, timeout=20.0) for argv in asked]
        date, version, scp_, there, own, above, room = (answer.result() for answer in answers)
        place, refused = (folder, own.status) if there.status == 0 else (self.hosts_path, above.status)
        line = escape(version.stdout.partition(b"\n")[0][:100]) if version.status == 0 else ""
        return Examined(
            _clock(date),
            frozenset([PUSH, REBUILD]),
            mercurial=line,
            scp=scp_.status != 127,
            trouble=f"{escape(place)} is not there, or cannot be written to" if refused else "",
            free=_free(room),
        )

    def _path(self, host: str, *below: str) -> bytes:
        return os.path.join(self.hosts_path, os.fsencode(host), *map(os.fsencode, below))

    def _must(self, argv: Sequence[bytes | str], what: str, host: str, program: str = "such program") -> None:
        result = self._connection.run(argv)
        if result.status:
            raise self._failed(what, result, host, program)

    def _digests(self, result: Result, host: str) -> dict[str, str]:
        """What sha256sum(1) says, by the repository's name: the fourth component from the end of each path."""
        if not only_missing(result):
            raise self._failed("The host's folder on the master cannot be read.", result, host)
        found = {}
        for line in result.stdout.splitlines():
            digest, _, path = line.lstrip(b"\\").decode("ascii", "replace").partition("  ")
            found[f"///{path}".split("/")[-4]] = digest
        return found

    def _failed(self, what: str, result: Result, host: str, program: str = "such program") -> PachaError:
        """The error for a command that ended badly; ``program`` is what may be missing there."""
        said, fault = said_by(result), classify(result)
        if closed := shut_out(result, host):
            return closed
        if fault is RemoteFault.NO_PROGRAM:
            is_hg = program == self._hg[0]
            hint = "Install Mercurial there, or name its command in pacha.hg.command." if is_hg else "Install it there."
            return UnreachableError(f"The master has no {program}.", said, hint, code="program-missing-on-master")
        if fault is RemoteFault.DENIED:
            return UnreachableError(what, said, self._give(host), code="master-denied")
        if fault is RemoteFault.MISSING:
            return UnreachableError(what, said, self._add_host(host), code="master-folder-missing")
        if fault is RemoteFault.FULL:
            hint = "Make room on the master; the next push sends what is missing."
            return _Full(what, said, hint, code="master-full")
        if fault is RemoteFault.NOT_EMPTY:
            return PachaError(what, said, "Another push has made it meanwhile: push again.", code="push-overtaken")
        return PachaError(what, said, "Look at the host's folder on the master.", code="master-failed")

    def _add_host(self, host: str) -> str:
        return add_host(host, self._connection.endpoint.user)

    def _give(self, host: str) -> str:
        return add_host_or_give(host, self._connection.endpoint.user, self._path(host))


def _unmade(path: bytes) -> str:
    return f"The repository {escape(path)} cannot be made."


def _clock(result: Result) -> float:
    try:
        return float(result.stdout)
    except ValueError:
        raise shut_out(result) or UnreachableError(
            "The master does not answer as one.",
            f"asked for the time, it said: {escape((result.stderr or result.stdout).strip()[:100])}",
            "Log in by hand with ssh and run 'date' to see what it says.",
            code="not-a-master",
        ) from None


def _free(result: Result) -> int | None:
    """The free bytes that stat(1) tells as blocks and their size; None for anything else."""
    words = result.stdout.split()
    return int(words[0]) * int(words[1]) if len(words) == 2 and all(word.isdigit() for word in words) else None
