"""A connection through the system's own ssh (``pacha.ssh.command``): however that logs in, Pacha can.

One ssh logs in, and carries all commands (``multiplexer``). Where the user's ssh already has a connection there (the
ControlPath of ssh_config(5)), that one carries them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from weakref import WeakSet

from pacha.errors import ConfigError, UnreachableError
from pacha.system.limited_output import Tail
from pacha.system.trust import untrusted
from pacha.system.waits import waiting
from pacha.text import one_line, printable
from pacha.wire import ssh
from pacha.wire.ssh.channel import Stream
from pacha.wire.ssh.commands import ASKED_AGAIN, Commands, lost, refused, too_many
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.known_hosts import known_keys
from pacha.wire.ssh.multiplexed_channel import MultiplexedChannel
from pacha.wire.ssh.multiplexer import NoSsh, SessionRefused, answers, converse, terminate
from pacha.wire.ssh.openssh_options import environment, master_command
from pacha.wire.ssh.pace import SLOWEST_LINE

_LASTS = 60  #: seconds that ssh outlives a Pacha that was killed
_LONGEST_PATH = 60  #: bytes of a folder; a socket's path has 107, and ssh adds some of its own (unix(7))
_PREFIX = "pacha-ssh-"
_LEFT = 600  #: seconds after which an empty folder is nobody's: no login takes so long
_WINDOW = 2 << 20  #: bytes that ssh takes before the server has acknowledged any
_AGAIN = 1.0  #: seconds, give or take a half, before a login is tried again


class OpenSsh(Commands):
    """A connection to ``endpoint`` through the ssh that listens at ``path``; ``folder`` is its own, None: not ours."""

    failures: tuple[type[Exception], ...] = (EOFError, OSError)

    def __init__(self, endpoint: Endpoint, idle: float, stall: float, path: str, folder: str | None) -> None:
        super().__init__(endpoint, idle)
        self._stall = stall
        self._path = path
        self._folder = folder
        self._channels: WeakSet[MultiplexedChannel] = WeakSet()
        self._adding = Lock()
        self._line = converse(path)  # while it is open, ssh does not end by itself

    @classmethod
    def open(
        cls,
        program: str,
        endpoint: Endpoint,
        timeout: float = 20.0,
        *,
        stall: float = 30.0,
        idle: float = 120.0,
        patience: float = 60.0,
    ) -> OpenSsh:
        """Connect and log in with the ssh ``program`` (a path or a name), as ``Connection.open``."""
        known_keys(endpoint.known_hosts, endpoint.host_key_name)  # refuses a file that others could change
        if (shared := endpoint.control_path) and _is_ours(shared) and answers(shared):
            return cls(endpoint, idle, stall, shared, None)
        folder = _private_folder()
        try:
            path = os.path.join(folder, "s")
            command = master_command(find_ssh(program), endpoint, path, timeout=timeout, stall=stall, lasts=_LASTS)
            _log_in(command, endpoint, timeout, patience)
            return cls(endpoint, idle, stall, path, folder)
        except NoSsh as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise lost(endpoint, one_line(str(error))) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def close(self) -> None:
        """End the connection, unless it is the user's own."""
        if self._folder is not None:
            terminate(self._line)
            shutil.rmtree(self._folder, ignore_errors=True)
        self._line.close()

    def open_ahead(self, count: int) -> None:
        """Nothing: a session begins with its command."""

    def is_active(self) -> bool:
        """Whether the connection is not lost."""
        return answers(self._path)

    def queued(self, idle: float) -> int:
        """Our bytes that may still be on their way. ssh does not tell: at most what a slow line moves in 2 ``idle``."""
        with self._adding:  # a WeakSet allows no addition while it is read
            unanswered = sum(channel.unanswered for channel in self._channels)
        return min(unanswered, _WINDOW, round(2 * idle * SLOWEST_LINE))

    def lost(self, why: str) -> UnreachableError:
        """The error for a lost connection; ``why`` counts as long as ssh is there."""
        if not self.is_active():
            why = f"ssh has ended: the line broke, or nothing was heard for {self._stall:g} seconds"
        return lost(self.endpoint, why)

    def _start(self, command: bytes, idle: float) -> Stream:
        if not self._slots.acquire(timeout=idle):
            raise too_many()
        try:
            channel = self._channel(command, idle)
            with self._adding:
                self._channels.add(channel)
            return Stream(self, channel, idle, self._slots.release)
        except BaseException:
            self._slots.release()
            raise

    def _channel(self, command: bytes, idle: float) -> MultiplexedChannel:
        """A new channel, requested again if refused: a busy server may still count sessions that have ended."""
        try:
            for pause in ASKED_AGAIN:
                with suppress(SessionRefused):
                    return MultiplexedChannel(self._path, command, idle)
                time.sleep(pause)
            return MultiplexedChannel(self._path, command, idle)
        except SessionRefused:
            raise refused(self.endpoint, "ssh opens no further one") from None
        except (NoSsh, EOFError, OSError, ValueError) as error:
            raise self.lost(f"no command could be started: {one_line(str(error))}") from error


def find_ssh(command: str) -> str:
    """The path of the ssh ``command`` (a path or a name). Raises ConfigError if it is missing, or not to be trusted."""
    path = command if os.path.isabs(command) else shutil.which(command)
    if path is None or not os.access(path, os.X_OK):
        raise ConfigError(
            f"There is no program {printable(command)}.",
            "pacha.ssh.command names it",
            "Install OpenSSH's client, or correct the name; without that key Pacha needs no ssh.",
            code="ssh-program-missing",
        )
    if found := untrusted(Path(path), {0, os.getuid()}):
        raise ConfigError(
            f"{printable(path)}: not to be trusted.",
            f"{printable(str(found[0]))}: {found[1]}",
            "Name an ssh in pacha.ssh.command that only root or you can change.",
            code="ssh-program-not-trusted",
        )
    return path


def _log_in(command: Sequence[str], endpoint: Endpoint, timeout: float, patience: float) -> None:
    """Run ``command``, which ends once it has logged in. It is run again while the server drops the connection.

    ssh says only that it failed. So Pacha then looks for the cause itself. If it finds none, the server may have been
    full for an instant: ssh is run once more.
    """
    began, is_last = time.monotonic(), False
    while (last_line := _ended(command, endpoint, 3 * timeout)) is not None:
        error = ssh.diagnose(endpoint, timeout, last_line)  # only after a failure: it imports paramiko
        wait = _AGAIN * random.uniform(0.5, 1.5)
        is_dropped = error.code == "login-dropped"
        if (is_last and not is_dropped) or error.code not in ("login-refused", "login-dropped"):
            raise error
        if time.monotonic() - began + wait >= patience:
            raise error
        is_last = not is_dropped
        with waiting(endpoint.label, time.monotonic() - began):
            time.sleep(wait)


def _ended(command: Sequence[str], endpoint: Endpoint, seconds: float) -> str | None:
    """None if ssh has logged in; else the last line that it printed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(endpoint),
        start_new_session=True,  # no terminal to ask at
    )
    assert process.stderr
    try:
        last = Tail(process.stderr)
        with waiting(endpoint.label):
            if process.wait(seconds) == 0:
                return None
        lines = last.bytes().strip().splitlines()
        return one_line(lines[-1]) if lines else f"ssh ended with exit status {process.returncode}"
    except subprocess.TimeoutExpired:
        return f"ssh did not log in within {seconds:g} seconds"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_ours(path: str) -> bool:
    """Whether there is a socket that nobody but this user and root could have put there."""
    try:
        return untrusted(Path(path), {0, os.getuid()}) is None
    except OSError:
        return False


def _private_folder() -> str:
    """A new folder, 0700, whose path leaves room for the name of a socket."""
    usual = tempfile.gettempdir()
    is_fit = len(os.fsencode(usual)) <= _LONGEST_PATH and "${" not in usual  # ssh would replace that
    place = usual if is_fit else "/tmp"  # noqa: S108
    _remove_left(place)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
    if found := untrusted(Path(folder), {0, os.getuid()}):
        os.rmdir(folder)
        raise ConfigError(
            f"{printable(place)}: no place for a connection of ssh.",
            f"{printable(str(found[0]))}: {found[1]}",
            "Set TMPDIR to a folder of your own, or let nobody else write there (/tmp: chmod 1777 /tmp).",
            code="temporary-folder-not-trusted",
        )
    return folder


def _remove_left(place: str) -> None:
    """Remove the folders of killed runs, which ssh has emptied as it ended."""
    before = time.time() - _LEFT
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with suppress(OSError):  # another user's, or in use
                if entry.name.startswith(_PREFIX) and entry.stat(follow_symlinks=False).st_mtime < before:
                    os.rmdir(entry.path)
