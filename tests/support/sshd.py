"""A throw-away OpenSSH server on loopback, accounts that can log in, and a slow or broken line to it."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import hashlib
import hmac
import os
import pwd
import queue
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

SSHD = "/usr/sbin/sshd"
_PR_SET_CHILD_SUBREAPER = 36

_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_ed25519
HostKey {folder}/host_rsa
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
AuthorizedKeysCommand /bin/cat {folder}/authorized/%u
AuthorizedKeysCommandUser {user}
MaxStartups 200
MaxSessions 10
UseDNS no
PrintMotd no
LogLevel VERBOSE
"""


def require_sshd() -> None:
    """Skip, for all to see, where no sshd with accounts can run; with CI set that is a failure."""
    if os.geteuid() == 0 and os.path.exists(SSHD):
        return
    reason = f"needs to be root and to have {SSHD}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


class Sshd:
    """A real sshd with its own keys and configuration, all of it in ``folder``. A context manager.

    ``key`` is a client's private key, which ``authorize`` lets in; ``known_hosts`` a file that knows
    this server, and by what else ``trust`` is told; ``log`` its log at VERBOSE.
    """

    def __init__(self, folder: Path, *, address: str = "127.0.0.1", extra: Sequence[str] = ()) -> None:
        self.folder = folder
        self.address = address
        self.port = 0
        self.key = folder / "client_ed25519"
        self.known_hosts = folder / "known_hosts"
        self.log = folder / "sshd.log"
        self._extra = list(extra)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Sshd:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "authorized").mkdir()
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        for name, kind in (("host_ed25519", "ed25519"), ("host_rsa", "rsa"), ("client_ed25519", "ed25519")):
            make_key(self.folder / name, kind)
        for _ in range(5):  # another process may take the free port first
            if self._start():
                break
        else:
            raise RuntimeError(f"sshd does not start: {self.log_text()}")
        self.trust(self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def name(self) -> str:
        """What known_hosts calls this server."""
        return f"[{self.address}]:{self.port}"

    def authorize(self, user: str, public: Path | None = None, *, options: str = "") -> None:
        """Let ``user`` in with a public key (the client's, if none is given)."""
        text = (public or Path(f"{self.key}.pub")).read_text()
        with open(self.folder / "authorized" / user, "a") as file:
            file.write(f"{options} {text}".lstrip())

    def public(self, kind: str = "ed25519") -> str:
        """The host key of a kind as known_hosts has it: ``type base64``."""
        return " ".join((self.folder / f"host_{kind}.pub").read_text().split()[:2])

    def fingerprint(self, kind: str = "ed25519") -> str:
        """What ``ssh-keygen -l`` says of the host key of a kind."""
        digest = hashlib.sha256(base64.b64decode(self.public(kind).split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def trust(self, name: str, kinds: Sequence[str] = ("ed25519", "rsa")) -> None:
        """Let ``known_hosts`` know this server by another name, such as a relay's ``[host]:port``."""
        with open(self.known_hosts, "a") as file:
            for kind in kinds:
                file.write(f"{name} {self.public(kind)}\n")

    def log_text(self) -> str:
        """What sshd has logged so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""

    def cpu(self, patience: float = 5.0) -> float:
        """Seconds of CPU of all sessions that have ended, for which it waits so many seconds."""
        assert self._process
        until = time.monotonic() + patience
        while _descendants(self._process.pid) and time.monotonic() < until:
            time.sleep(0.005)
        # "pid (comm) state ppid ...": the 16th and 17th are the times of children (proc_pid_stat(5)).
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it and every session it still has."""
        if self._process is None:
            return
        for pid in [*_descendants(self._process.pid), self._process.pid]:
            _kill(pid)
        self._process.wait(10)
        self._process = None

    def _start(self) -> bool:
        with socket.create_server((self.address, 0)) as free:
            self.port = free.getsockname()[1]
        config = self.folder / "sshd_config"
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = _CONFIG.format(address=self.address, port=self.port, folder=self.folder, user=user)
        text += "".join(f"{line}\n" for line in self._extra)
        # Newer servers punish an address after refused logins, which tests make on purpose.
        config.write_text(text + "PerSourcePenalties no\n")
        if subprocess.run([SSHD, "-t", "-f", str(config)], capture_output=True).returncode:
            config.write_text(text)
        self._process = subprocess.Popen(
            [SSHD, "-D", "-f", str(config), "-E", str(self.log)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_adopt_orphans,
        )
        return self._answers()

    def _answers(self) -> bool:
        deadline = time.monotonic() + 10
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.address, self.port), 1) as sock:
                if sock.recv(4) == b"SSH-":
                    return True
            time.sleep(0.02)
        self.stop()
        return False


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server for the whole run, which lets root in with its ``key``."""
    require_sshd()
    with Sshd(tmp_path_factory.mktemp("sshd")) as server:
        server.authorize("root")
        yield server


def make_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new private key of a kind (and ``file.pub`` beside it)."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "test", "-f", str(file)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return file


def hashed(name: str) -> str:
    """A name as ``ssh-keygen -H`` hides it in known_hosts."""
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@dataclass(frozen=True)
class Account:
    """A real account of this machine."""

    name: str
    uid: int
    gid: int
    home: Path


@contextlib.contextmanager
def admitted(server: Sshd, name: str, shell: str = "/bin/sh") -> Iterator[Account]:
    """An ``account`` that ``server`` lets in with its key."""
    with account(name, shell) as made:
        server.authorize(made.name)
        yield made


@contextlib.contextmanager
def account(name: str, shell: str = "/bin/sh") -> Iterator[Account]:
    """An account with this ``shell`` that exists for as long as the ``with`` lasts. Only root can make one.

    Its password field is ``*``: no password, yet not locked, so that a key lets it in without PAM.
    """
    require_sshd()
    top = Path(tempfile.mkdtemp(prefix="pacha-home-"))
    top.chmod(0o755)
    home = top / name
    try:
        _accounts("useradd", "-M", "-d", str(home), "-s", shell, "-p", "*", "-U", name)
        try:
            entry = pwd.getpwnam(name)
            home.mkdir(mode=0o700)
            os.chown(home, entry.pw_uid, entry.pw_gid)
            yield Account(name, entry.pw_uid, entry.pw_gid, home)
        finally:
            _kill_all_of(pwd.getpwnam(name).pw_uid)
            _accounts("userdel", name)
    finally:
        shutil.rmtree(top)


def _accounts(*command: str) -> None:
    """useradd or userdel, again while another process holds their lock."""
    for _ in range(100):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return
        if "lock" not in done.stderr and "in use" not in done.stderr and "used by" not in done.stderr:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{command[0]}: {done.stderr.strip()}")


def _kill_all_of(uid: int) -> None:
    """End every process of a uid, by pid, until there is none."""
    for _ in range(100):
        pids = [pid for pid in _pids() if _uid_of(pid) == uid]
        if not pids:
            return
        for pid in pids:
            _kill(pid)
        time.sleep(0.02)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _uid_of(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    if "\nState:\tZ" in status:
        return None
    return int(status.partition("\nUid:\t")[2].split()[0])


def _adopt_orphans() -> None:
    """Let this process be told of the end, and the time, of what outlives its parent below it (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _descendants(top: int) -> list[int]:
    """The processes below one, nearest first; sessions of sshd are in process groups of their own."""
    parents = {}
    for pid in _pids():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    found = [top]
    for parent in found:
        found += [pid for pid, above in parents.items() if above == parent]
    return found[1:]


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class Relay:
    """A TCP relay on loopback that makes a line long, counts what passes, and breaks it. A context manager.

    ``rtt`` seconds are added to a round trip, half of it each way. ``turns`` counts how often the client
    sent something after the server had; ``up`` and ``down`` count bytes to and from the server. After
    ``cut_after`` bytes from the server the line is reset; after ``stall_after`` nothing passes any more. Of ``rate``
    bytes a second no more pass, each way, and hardly any wait in the relay.
    """

    def __init__(
        self,
        target: tuple[str, int],
        *,
        rtt: float = 0.0,
        cut_after: int | None = None,
        stall_after: int | None = None,
        rate: int | None = None,
    ) -> None:
        self.target = target
        self.rtt = rtt
        self.cut_after = cut_after
        self.stall_after = stall_after
        self.rate = rate
        self.turns = 0
        self.up = 0
        self.down = 0
        self._last_from_server = False
        self._lock = threading.Lock()
        self._stalled = threading.Event()
        self._closed = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        if rate:
            self._listener.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384
            )  # a smaller one stalls: a window probe waits for seconds
        self.address, self.port = self._listener.getsockname()

    def __enter__(self) -> Relay:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def stall(self) -> None:
        """From now on nothing passes, though the line stays open."""
        self._stalled.set()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            sock.close()

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._sockets += [client, server]
            self._carry(client, server, from_server=False)
            self._carry(server, client, from_server=True)

    def _carry(self, source: socket.socket, sink: socket.socket, *, from_server: bool) -> None:
        line: queue.Queue[tuple[float, bytes]] = queue.Queue(1 if self.rate else 256)
        self._run(self._read, source, line, from_server)
        self._run(self._write, sink, line)

    def _read(self, source: socket.socket, line: queue.Queue[tuple[float, bytes]], from_server: bool) -> None:
        data, due = b"-", time.monotonic()
        while data:
            try:
                data = source.recv(max(1, self.rate // 10) if self.rate else 65536)
            except OSError:
                data = b""
            if self.rate:  # by the clock: a line does not become slower on a busy machine
                due = max(due, time.monotonic() - 1) + len(data) / self.rate
                self._closed.wait(max(0.0, due - time.monotonic()))
            while self._stalled.is_set() and not self._closed.wait(0.05):
                pass
            self._count(len(data), from_server)
            line.put((time.monotonic() + self.rtt / 2, data))

    def _count(self, size: int, from_server: bool) -> None:
        with self._lock:
            if from_server:
                self.down += size
            else:
                self.up += size
                self.turns += size > 0 and self._last_from_server
            if size:
                self._last_from_server = from_server
        if self.stall_after is not None and self.down >= self.stall_after:
            self.stall()
        if self.cut_after is not None and self.down >= self.cut_after:
            self.cut()

    def _write(self, sink: socket.socket, line: queue.Queue[tuple[float, bytes]]) -> None:
        while True:
            due, data = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
            except OSError:
                if not data:
                    return
