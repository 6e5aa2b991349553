"""The commands that read from a plain account (see ``plain_account``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pacha.errors import PachaError, UnreachableError
from pacha.files.names import DATABASE
from pacha.system import background
from pacha.text import escape
from pacha.wire import hook_files, plain_output, scp, scp_header, ssh
from pacha.wire.master import (
    CHANGELOG,
    CHANGELOG_OF_ANY,
    HEARTBEAT,
    HEARTBEAT_MAX,
    IN_ENGLISH,
    PURGED,
    PURGED_MAX,
    PUSH,
    REBUILD,
    STORE,
    Examined,
    NoHost,
    Probe,
    is_store_file,
)
from pacha.wire.remote_errors import (
    RemoteFault,
    add_host,
    add_host_or_give,
    classify,
    classify_copy,
    classify_words,
    key_mismatch,
    only_missing,
    summarize,
)

if TYPE_CHECKING:
    from pacha.wire.ssh import Commands, Result, Stream

_PATIENCE = 20.0  #: seconds for a command that is done at once
#: Commands that show whether the account has the programs of a push. They change nothing.
_PLAIN_SET = (
    ("scp",),
    ("sha256sum", "/dev/null"),
    ("cat", "/dev/null"),
    ("mkdir",),
    ("mv",),
    ("sync", "-f", "/dev/null"),
)
_DATE = ("date", "-u", "+%s.%N")
STORE_LIMITS = scp.Limits(total_bytes=1 << 40, files=2_000_000, depth=600)


class MasterFull(PachaError):
    """The disk of the master is full, or a quota is used up."""


class PlainReader:
    """The commands of a plain account over ``connection`` that change nothing.

    ``hosts_path`` and ``hg_command`` are the master's.
    """

    def __init__(self, connection: Commands, hosts_path: bytes, hg_command: Sequence[str]) -> None:
        self._connection = connection
        self.hosts_path = hosts_path
        self._hg = tuple(hg_command)
        self._shell = ssh.RemoteShell(connection)

    def leave_shell(self) -> None:
        """Run each command from now on in a channel of its own: a Pacha that answers on the master allows no shell."""
        self._shell.close()

    def probe(self, host: str, names: Sequence[str] = (), unless: Callable[[], bool] = lambda: False) -> Probe:
        """Read the clock and the changelogs at the same time. ``unless``: see ``RemoteShell.run``."""
        paths = [self._path(host, CHANGELOG), *(self._path(host, name, CHANGELOG_OF_ANY) for name in names)]
        date = background.start(self._shell.run, _DATE, unless=unless)
        listed = self._shell.run([*IN_ENGLISH, "sha256sum", *paths, self._path(host, PURGED)], unless=unless)
        clock = self._clock(date.result(), host)  # first: its errors say best that this is not a master
        if not only_missing(listed, "sha256sum"):
            raise self._failed("The host's folder on the master cannot be read.", listed, host)
        digests = plain_output.digests(listed.stdout)
        contents = {name: digests.get(name) for name in names}
        return Probe(clock, digests.get(DATABASE), contents=contents, purged=digests.get(PURGED))

    def fetch(self, host: str, name: str, inbox: int, on_file: Callable[[scp.Received], None]) -> scp.Totals:
        """``scp -r -f`` of the store, with acknowledgements sent ahead."""
        receive = partial(scp.receive, top=b"store", accept=is_store_file, limits=STORE_LIMITS, on_file=on_file)
        return self._copy(host, self._path(host, name, STORE), inbox, receive)

    def fetch_hooks(self, host: str, inbox: int) -> list[hook_files.Hook]:
        """``scp -r -f`` of the hooks' folder. scp does not send the hooks' owners."""
        received: list[scp.Received] = []
        receive = partial(
            scp.receive, top=os.fsencode(host), accept=hook_files.is_hook_file, limits=hook_files.LIMITS,
            on_file=received.append,
        )  # fmt: skip
        try:
            self._copy(host, hook_files.folder_of(self.hosts_path, host), inbox, receive)
        except NoHost:
            return []
        return [hook_files.hook_of(file.name, file.mode) for file in received]

    def _copy(self, host: str, path: bytes, inbox: int, receive: Callable[[Stream, int], scp.Totals]) -> scp.Totals:
        """Let ``receive`` write the folder ``path`` of the master into ``inbox``. Raises NoHost, PachaError."""
        with self._connection.stream(["scp", "-r", "-f", path]) as stream:
            try:
                totals = receive(stream, inbox)
            except scp_header.Refused:
                raise NoHost(
                    f"There is no {escape(path)} on the master.", "", self._add_host(host), code="copy-source-missing"
                ) from None
            except UnreachableError:
                raise  # do not wait for it once more
            except PachaError as error:
                message, result = f"{escape(path)} cannot be copied.", stream.finish()
                self._raise_if_shell_talks(error, host)
                fault = classify_copy(result)
                if fault in (RemoteFault.NOT_RUN, RemoteFault.KEY_REFUSED):
                    raise self._failed(message, result, host, "scp") from None
                if fault is RemoteFault.NO_HOST:
                    raise NoHost(summarize(result), "", self._add_host(host), code="nothing-on-master") from None
                if isinstance(error, scp_header.RemoteError) and classify_words(error.subject) is RemoteFault.DENIED:
                    raise UnreachableError(message, error.why, self._give(host), code="copy-denied") from None
                if error.code == "scp-nothing-sent":
                    raise UnreachableError(
                        message, summarize(result), plain_output.RUN_COMMANDS, code="copy-not-begun"
                    ) from None
                raise
            result = stream.finish(end_input=False)
        if result.status and not totals.passed_over:
            raise scp_header.RemoteError(
                f"{escape(path)} was not copied whole.", summarize(result), "Run this again.", code="copy-incomplete"
            )
        return totals

    def last_push(self, host: str) -> bytes | None:
        """``cat`` of the heartbeat; an unreadable one does not count as missing."""
        return self._read(host, HEARTBEAT, HEARTBEAT_MAX, f"{HEARTBEAT} cannot be read.", timeout=_PATIENCE)

    def purged(self, host: str) -> bytes | None:
        """``cat`` of the record of what was purged."""
        return self._read(host, PURGED, PURGED_MAX, "What was purged cannot be read.")

    def _read(self, host: str, name: str, limit: int, message: str, timeout: float = 120.0) -> bytes | None:
        """The file ``name`` in the host's folder, None if it is missing. Raises PachaError with ``message``."""
        result = self._run(["cat", self._path(host, name)], timeout=timeout, limit=limit)
        if not result.status:
            return result.stdout
        if only_missing(result, "cat"):
            return None
        raise self._failed(message, result, host)

    def examine(self, host: str) -> Examined:
        """Ask what the account has and may do."""
        folder = self._path(host)
        commands: list[list[bytes | str]] = [
            [*_DATE],
            [*IN_ENGLISH, *self._hg, "version", "-q"],
            ["test", "-e", folder],
            ["test", "-w", folder],
            ["test", "-w", self.hosts_path],
            ["stat", "-f", "-c", "%a %S", self.hosts_path],
        ]
        date, version, exists, own, above, room = self._ask(commands)
        if closed := key_mismatch(version, host):
            raise closed
        place, refused = (folder, own.status) if exists.status == 0 else (self.hosts_path, above.status)
        line = escape(version.stdout.partition(b"\n")[0][:100]) if version.status == 0 else ""
        programs = zip(_PLAIN_SET, self._ask(_PLAIN_SET), strict=True)
        return Examined(
            clock=self._clock(date, host),
            may=frozenset([PUSH, REBUILD]),
            mercurial=line,
            missing=tuple(command[0] for command, result in programs if classify(result) is RemoteFault.NO_PROGRAM),
            trouble=f"{escape(place)} is not there, or cannot be written to" if refused else "",
            free=plain_output.free_bytes(room.stdout),
        )

    def _ask(self, commands: Iterable[Sequence[bytes | str]]) -> list[Result]:
        """The results of ``commands``, which run at the same time."""
        answers = [background.start(self._shell.run, argv, timeout=_PATIENCE) for argv in commands]
        return [answer.result() for answer in answers]

    def _path(self, host: str, *below: str) -> bytes:
        return os.path.join(self.hosts_path, os.fsencode(host), *map(os.fsencode, below))

    def _run(self, argv: Sequence[bytes | str], *, timeout: float = 120.0, limit: int = 64 << 20) -> Result:
        """The result of a command. Its messages are in English, whatever the account's language."""
        return self._shell.run([*IN_ENGLISH, *argv], timeout=timeout, limit=limit)

    def _must(self, argv: Sequence[bytes | str], message: str, host: str, program: str = "such program") -> None:
        result = self._run(argv)
        if result.status:
            raise self._failed(message, result, host, program)

    def _failed(self, message: str, result: Result, host: str, program: str = "such program") -> PachaError:
        """The error for a failed command; ``program`` is what may be missing on the master."""
        complaint, fault = summarize(result), classify(result)
        if closed := key_mismatch(result, host):
            return closed
        if fault is RemoteFault.NO_PROGRAM:
            hint = "Install openssh-client there." if program == "scp" else "Install it there."
            if program == self._hg[0]:
                hint = "Install Mercurial there, or name its command in pacha.hg.command."
            return UnreachableError(f"The master has no {program}.", complaint, hint, code="program-missing-on-master")
        if fault is RemoteFault.DENIED:
            return UnreachableError(message, complaint, self._give(host), code="master-denied")
        if fault is RemoteFault.MISSING:
            return UnreachableError(message, complaint, self._add_host(host), code="master-folder-missing")
        if fault is RemoteFault.FULL:
            hint = "Make room on the master; the next push sends what is missing."
            return MasterFull(message, complaint, hint, code="master-full")
        if fault is RemoteFault.NOT_EMPTY:
            hint = "Another push has made it meanwhile: push again."
            return PachaError(message, complaint, hint, code="push-overtaken")
        return PachaError(message, complaint, "Look at the host's folder on the master.", code="master-failed")

    def _add_host(self, host: str) -> str:
        return add_host(host, self._connection.endpoint.user)

    def _give(self, host: str) -> str:
        return add_host_or_give(host, self._connection.endpoint.user, self._path(host))

    def _raise_if_shell_talks(self, error: PachaError, host: str) -> None:
        """Raise UnreachableError if ``error`` comes from what the master's shell printed before the answer."""
        if error.code == "scp-protocol-error":
            self._clock(self._connection.run(_DATE, timeout=_PATIENCE), host)

    def _clock(self, result: Result, host: str) -> float:
        return plain_output.clock(result, host, self._connection.endpoint.user)
