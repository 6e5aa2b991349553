"""SSH: whom to talk to, whether it is really them, logging in with a key, commands and streams.

The only module that imports paramiko. Nobody is trusted on first sight: a host key that is unknown,
changed or revoked is refused before anything about us is sent. Only keys log in, never a password.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import logging
import os
import pwd
import re
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import paramiko

from pacha.errors import ConfigError, PachaError, UnreachableError, UsageError
from pacha.files.names import shown

SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
#: sshd allows ten sessions on a connection (MaxSessions of sshd_config(5)); stay well below.
MAX_STREAMS = 7

_WINDOW = 4 * 1024 * 1024
_PACKET = 64 * 1024
_STDERR_KEPT = 64 * 1024
_OUTPUT_MAX = 64 * 1024 * 1024
_PASSED_OVER = 1024 * 1024
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]+)?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,254}\$?")
_PORT = re.compile(
    r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]", re.ASCII
)
_JUMP = re.compile(r"(?:ssh://)?(?:([^@]+)@)?(\[[^]]+\]|[^:]+)(?::([0-9]+))?/?")
_DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")


# ---------------------------------------------------------------------------------- whom to talk to


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an SSH server is, as whom to log in, and how to know it.

    ``host_key_name`` is what known_hosts calls it: the HostKeyAlias, the host, or ``[host]:port`` if
    the port is not 22. ``key_files`` are tried in turn; with ``only_these_keys`` the agent offers no
    others. ``proxy_jump`` is the server to go through.
    """

    host: str
    port: int
    user: str
    key_files: tuple[str, ...]
    known_hosts: tuple[str, ...]
    host_key_name: str
    proxy_jump: Endpoint | None = None
    only_these_keys: bool = False

    @property
    def label(self) -> str:
        """``user@host``, for people."""
        return f"{self.user}@{self.host}"


def resolve(
    host: str,
    *,
    user: str | None,
    port: int | None,
    key: str | None,
    known_hosts: str | None,
    ssh_config: Path | None,
) -> Endpoint:
    """Where ``host`` is and how to get in: the given values, then ``ssh_config``, then the defaults.

    ``ssh_config`` is a file in the format of ssh_config(5), such as ``~/.ssh/config``; None or a file
    that does not exist says nothing. A server to jump through is looked up the same way, except that
    its own ProxyJump is not followed. Raises ConfigError for what cannot be a host, a user or a port.
    """
    settings = _settings(ssh_config, host)
    jumps = settings.get("proxyjump") or "none"
    through = None
    for jump in [] if jumps.lower() == "none" else jumps.split(","):
        match = _JUMP.fullmatch(jump.strip())
        if match is None:
            raise ConfigError("ProxyJump cannot be understood", f"{_plain(jump)!r} is not user@host:port")
        name, number = match[2].strip("[]"), int(match[3]) if match[3] else None
        nearer = _settings(ssh_config, name)
        through = _endpoint(name, nearer, match[1], number, key, known_hosts, through)
    return _endpoint(host, settings, user, port, key, known_hosts, through)


def _settings(ssh_config: Path | None, host: str) -> dict[str, Any]:
    """What an ssh_config(5) file says about a host; keys in lower case."""
    _check(_HOST, host, "name")
    if ssh_config is None or not ssh_config.exists():
        return {}
    try:
        return dict(paramiko.SSHConfig.from_path(str(ssh_config)).lookup(host))
    except Exception as error:  # the reader raises whatever it stumbles over: KeyError, ImportError ...
        raise ConfigError(f"{ssh_config} cannot be read", _plain(str(error))) from error


def _check(form: re.Pattern[str], text: str, what: str) -> None:
    """Refuse a host, user or port that some program on the way could take for something else."""
    if not form.fullmatch(text):
        raise ConfigError(f"the master's {what} cannot be one", f"it is {_plain(text)!r}", "check pacha.host")


def _endpoint(
    name: str,
    settings: dict[str, Any],
    user: str | None,
    port: int | None,
    key: str | None,
    known_hosts: str | None,
    through: Endpoint | None,
) -> Endpoint:
    host = str(settings.get("hostname", name))
    login = user or settings.get("user") or pwd.getpwuid(os.getuid()).pw_name
    number = port or settings.get("port") or 22
    _check(_HOST, host, "name")
    _check(_USER, login, "user")
    _check(_PORT, str(number), "port")
    number = int(number)
    keys = [key] if key else settings.get("identityfile") or list(_DEFAULT_KEYS)
    known = [known_hosts] if known_hosts else _known_files(settings)
    outside = host if number == 22 else f"[{host}]:{number}"
    return Endpoint(
        host,
        number,
        login,
        tuple(os.path.expanduser(file) for file in keys),
        tuple(os.path.expanduser(file) for file in (*known, SYSTEM_KNOWN_HOSTS)),
        str(settings.get("hostkeyalias") or outside),
        through,
        bool(key) or str(settings.get("identitiesonly", "no")).lower() == "yes",
    )


def _known_files(settings: dict[str, Any]) -> list[str]:
    words = shlex.split(str(settings.get("userknownhostsfile", "~/.ssh/known_hosts")))
    return [] if words == ["none"] else words


# ------------------------------------------------------------------------- whether it is really them


@dataclass(frozen=True, slots=True)
class _KnownKey:
    """A key in a known_hosts file: the key itself (RFC 4253, 6.6) and where it stands."""

    blob: bytes
    revoked: bool
    file: str
    line: int

    @property
    def kind(self) -> str:
        return _key_kind(self.blob)


def _known_keys(files: Sequence[str], name: str) -> list[_KnownKey]:
    """The keys that known_hosts files hold for a name. A line that cannot be understood is no line.

    The format is that of sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. ``@cert-authority`` lines say nothing
    here: Pacha knows servers by their keys alone.
    """
    found = []
    for file in files:
        try:
            lines = Path(file).read_text("utf-8", "replace").split("\n")
        except OSError:
            continue
        for number, line in enumerate(lines, 1):
            words = line.split()
            revoked = words[:1] == ["@revoked"]
            if revoked:
                del words[0]
            blob = _key_on_line(words, name)
            if blob is not None:
                found.append(_KnownKey(blob, revoked, file, number))
    return found


def _key_on_line(words: list[str], name: str) -> bytes | None:
    if len(words) < 3 or words[0][0] in "#@" or not _names(words[0], name.lower()):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except ValueError:
        return None
    return blob if _key_kind(blob) == words[1] else None


def _names(patterns: str, name: str) -> bool:
    """Whether a host field speaks of a name (lower case): hashed, or patterns with ``* ? !`` and commas."""
    if patterns.startswith("|"):
        return _hash_names(patterns, name)
    found = False
    for pattern in patterns.lower().split(","):
        text = re.escape(pattern.lstrip("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(text, name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _hash_names(field: str, name: str) -> bool:
    """Whether ``|1|salt|hash`` is the HMAC-SHA1 of a name (ssh_config(5), HashKnownHosts)."""
    parts = field.split("|")
    try:
        _, kind, salt, digest = parts
        wanted = base64.b64decode(digest)
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
    except ValueError:
        return False
    return kind == "1" and hmac.compare_digest(made, wanted)


def _key_kind(blob: bytes) -> str:
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length].decode("ascii", "replace")


def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _known_of(endpoint: Endpoint) -> tuple[list[_KnownKey], list[_KnownKey]]:
    """The keys under the endpoint's own name, and those of its host without the port.

    OpenSSH, too, accepts a key that the host is known to have on port 22 (sshconnect.c,
    check_host_key, "found matching key w/out port").
    """
    own = _known_keys(endpoint.known_hosts, endpoint.host_key_name)
    if endpoint.host_key_name != f"[{endpoint.host}]:{endpoint.port}":
        return own, []
    return own, _known_keys(endpoint.known_hosts, endpoint.host)


def _check_host_key(endpoint: Endpoint, blob: bytes) -> None:
    """Raise UnreachableError unless the server's key is one that is known and not revoked."""
    own, plain = _known_of(endpoint)
    same = [known for known in own + plain if known.blob == blob]
    shows = f"it shows {_fingerprint(blob)} ({_plain(_key_kind(blob))})"
    revoked = [known for known in same if known.revoked]
    if revoked:
        raise UnreachableError(
            f"the host key of {endpoint.host} is revoked: nothing was sent",
            f"{shows}, which {revoked[0].file} line {revoked[0].line} revokes",
            "ask whoever runs the master for its new key; whoever holds the old one may be listening",
        )
    if same:
        return
    valid = [known for known in own if not known.revoked]
    if valid:
        _refuse_changed(endpoint, blob, valid)
    raise UnreachableError(
        f"{endpoint.host} (port {endpoint.port}) is not known: nothing was sent",
        f"{shows}; no line for {endpoint.host_key_name} in {' or '.join(endpoint.known_hosts)}",
        f"{_compare_hint(blob)}; if it is the same, accept it once: {_ssh_command(endpoint)}",
    )


def _refuse_changed(endpoint: Endpoint, blob: bytes, known: list[_KnownKey]) -> NoReturn:
    alike = next((key for key in known if key.kind == _key_kind(blob)), known[0])
    raise UnreachableError(
        f"the host key of {endpoint.host} has changed: nothing was sent",
        f"it shows {_fingerprint(blob)} ({_plain(_key_kind(blob))}), "
        f"but {alike.file} line {alike.line} has {_fingerprint(alike.blob)} ({_plain(alike.kind)})",
        f"somebody may be in between; {_compare_hint(blob)}; if it is the same, remove that line "
        f"and accept it once: {_ssh_command(endpoint)}",
    )


def _compare_hint(blob: bytes) -> str:
    kind = _key_kind(blob)
    short = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(kind, "ecdsa")
    return f"compare the fingerprint on the master: ssh-keygen -lf /etc/ssh/ssh_host_{short}_key.pub"


def _ssh_command(endpoint: Endpoint) -> str:
    words = ["ssh", "-p", str(endpoint.port)]
    if endpoint.known_hosts[:1] != (os.path.expanduser("~/.ssh/known_hosts"),) and endpoint.known_hosts[1:]:
        words += ["-o", f"UserKnownHostsFile={endpoint.known_hosts[0]}"]
    if endpoint.proxy_jump:
        words += ["-J", f"{endpoint.proxy_jump.label}:{endpoint.proxy_jump.port}"]
    return shlex.join([*words, endpoint.label])


# ------------------------------------------------------------------------------- connecting, logging in


class _Line:
    """A socket that remembers when it last heard from the other side."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self._sock = sock
        self.heard = time.monotonic()

    def recv(self, size: int) -> bytes:
        data = self._sock.recv(size)
        self.heard = time.monotonic()
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def _dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    where = f"{endpoint.host} (port {endpoint.port})"
    try:
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(
            f"the name {endpoint.host} is not known to this machine's resolver",
            _plain(str(error)),
            "check pacha.host and the network",
        ) from error
    except ConnectionRefusedError as error:
        raise UnreachableError(
            f"{where} refuses connections",
            "no SSH server listens there",
            "check pacha.ssh.port, and that sshd runs on the master",
        ) from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{where} does not answer",
            f"no connection within {timeout:g} seconds",
            "check that the master is up and that no firewall is in between",
        ) from error
    except OSError as error:
        raise UnreachableError(
            f"{where} cannot be reached", error.strerror or _plain(str(error)), "check the network"
        ) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _jump(through: Connection, endpoint: Endpoint, timeout: float) -> paramiko.Channel:
    try:
        return through.transport.open_channel(
            "direct-tcpip", (endpoint.host, endpoint.port), ("127.0.0.1", 0), timeout=timeout
        )
    except Exception as error:  # as in _greet
        raise UnreachableError(
            f"{endpoint.host} (port {endpoint.port}) cannot be reached through {through.endpoint.host}",
            _plain(str(error)),
            "check ProxyJump, and that the server in between allows forwarding",
        ) from error


def _quiet_paramiko() -> None:
    """Nothing of paramiko's own log, tracebacks among it, on stderr."""
    log = logging.getLogger("paramiko")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    log.propagate = False


def _greet(line: _Line, endpoint: Endpoint, timeout: float) -> paramiko.Transport:
    """Agree on keys with the server and make sure that it is the right one. Nothing about us is sent."""
    _quiet_paramiko()
    transport = paramiko.Transport(line, default_window_size=_WINDOW, default_max_packet_size=_PACKET)  # type: ignore[arg-type]
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeout
    _prefer(transport, endpoint)
    try:
        transport.start_client(timeout=timeout)
        if not transport.initial_kex_done:
            raise paramiko.SSHException(f"no end of the greeting within {timeout:g} seconds")
        blob = transport.get_remote_server_key().asbytes()
    except Exception as error:  # paramiko passes on whatever odd bytes made it stumble over
        _hang_up(transport)
        raise UnreachableError(
            f"{endpoint.host} (port {endpoint.port}) does not talk SSH with us",
            _plain(str(error)) or "it hung up",
            "check pacha.ssh.port, and that the master's sshd is not refusing this machine",
        ) from error
    try:
        _check_host_key(endpoint, blob)
    except BaseException:
        _hang_up(transport)
        raise
    return transport


def _hang_up(transport: paramiko.Transport) -> None:
    transport.close()
    transport.sock.close()
    # Otherwise a timer thread of paramiko's keeps the process alive until the handshake's time is over.
    transport.packetizer.complete_handshake()


def _prefer(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    """Fast and sound algorithms; the kinds of host key that are known come first, as OpenSSH does."""
    options = transport.get_security_options()
    options.ciphers = [name for name in _CIPHERS if name in options.ciphers]
    options.digests = [name for name in _DIGESTS if name in options.digests]
    options.compression = ["none"]
    own, plain = _known_of(endpoint)
    kinds = {key.kind for key in own or plain if not key.revoked}
    kinds |= {"rsa-sha2-512", "rsa-sha2-256"} if "ssh-rsa" in kinds else set()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)


def _log_in(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    """Try each key in turn. Raises UnreachableError naming all of them when none is taken."""
    agent = _agent()
    try:
        tried = _try_keys(transport, endpoint, agent.get_keys() if agent else ())
    finally:
        if agent:
            agent.close()
    if transport.is_authenticated():
        return
    none = f"no key: neither an agent nor {' or '.join(endpoint.key_files)}"
    raise UnreachableError(
        f"{endpoint.host} does not let us in as {endpoint.user}",
        f"tried {', '.join(tried)}" if tried else none,
        _key_hint(endpoint, " ".join(tried)),
    )


def _try_keys(
    transport: paramiko.Transport, endpoint: Endpoint, agent_keys: Sequence[paramiko.AgentKey]
) -> list[str]:
    """Try each key until one is taken; what was tried before it, and how that went."""
    tried: list[str] = []
    for label, load in _keys(endpoint, agent_keys):
        key = load()
        if isinstance(key, str):
            tried.append(f"{label} ({key})")
            continue
        try:
            if not transport.auth_publickey(endpoint.user, key):
                break
            tried.append(f"{label} (taken, but the master wants more than a key)")
        except paramiko.BadAuthenticationType:
            tried.append(f"{label} (the master takes no keys from this user)")
            break
        except paramiko.AuthenticationException:
            tried.append(f"{label} (refused)")
        except Exception as error:  # as in _greet
            tried.append(f"{label} ({_plain(str(error)) or 'the master hung up'})")
        if not transport.is_active():
            tried.append("then the master hung up")
            break
    return tried


def _key_hint(endpoint: Endpoint, tried: str) -> str:
    if not tried:
        return "make a key with ssh-keygen, or name one with pacha.ssh.key"
    if "passphrase" in tried and "refused" not in tried:
        return "load the key into an agent (ssh-add), or use one without a passphrase"
    return f"put the public key into ~{endpoint.user}/.ssh/authorized_keys there; check pacha.ssh.user"


_Candidate = tuple[str, Callable[[], "paramiko.PKey | str"]]


def _keys(endpoint: Endpoint, agent_keys: Sequence[paramiko.AgentKey]) -> Iterator[_Candidate]:
    """What to log in with, best first: a name for people, and how to get the key (or why not, str)."""
    wanted = [blob for file in endpoint.key_files if (blob := _public_half(file))]
    offered = set()
    for key in sorted(agent_keys, key=lambda key: key.asbytes() not in wanted):
        if endpoint.only_these_keys and key.asbytes() not in wanted:
            continue
        offered.add(key.asbytes())
        yield f"agent key {_fingerprint(key.asbytes())}", lambda key=key: key  # type: ignore[misc]
    for file in endpoint.key_files:
        named = endpoint.only_these_keys or len(endpoint.key_files) == 1
        if (named or os.path.exists(file)) and _public_half(file) not in offered:
            yield file, lambda file=file: _load(file)  # type: ignore[misc]


def _agent() -> paramiko.Agent | None:
    if not os.environ.get("SSH_AUTH_SOCK"):
        return None
    try:
        return paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return None


def _public_half(file: str) -> bytes | None:
    """The public key (RFC 4253, 6.6) that lies beside a private one, if it does."""
    try:
        words = Path(file + ".pub").read_text("utf-8", "replace").split()
        return base64.b64decode(words[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None


def _load(file: str) -> paramiko.PKey | str:
    """A private key, or why it cannot be used."""
    try:
        return paramiko.PKey.from_path(file)
    except (TypeError, paramiko.PasswordRequiredException):
        return "needs a passphrase, and no agent has it"
    except OSError as error:
        return error.strerror or "cannot be read"
    except Exception:  # whatever the parsers below paramiko raise for a file that is not a key
        return "not a key that can be used"


# -------------------------------------------------------------------------------- commands and streams


@dataclass(frozen=True, slots=True)
class Result:
    """How a remote command ended: its exit status (-1: by a signal), and what it wrote (bytes)."""

    status: int
    stdout: bytes
    stderr: bytes


class Connection:
    """One SSH connection, for many commands and streams at once. A context manager."""

    def __init__(
        self,
        endpoint: Endpoint,
        transport: paramiko.Transport,
        line: _Line,
        through: Connection | None,
        stall: float,
    ) -> None:
        self.endpoint = endpoint
        self.transport = transport
        self.stalled = False
        self._line = line
        self._through = through
        self._stall = stall
        self._closing = threading.Event()
        self._slots = threading.BoundedSemaphore(MAX_STREAMS)
        threading.Thread(target=self._watch, daemon=True).start()

    @classmethod
    def open(cls, endpoint: Endpoint, timeout: float = 20.0, *, stall: float = 30.0) -> Connection:
        """Connect, check the host key, log in: at most ``timeout`` seconds for each of these.

        Later on, a line from which nothing is heard for ``stall`` seconds, not even an answer to
        "are you there?", is given up. Raises UnreachableError.
        """
        through = cls.open(endpoint.proxy_jump, timeout, stall=stall) if endpoint.proxy_jump else None
        try:
            line = _Line(_jump(through, endpoint, timeout) if through else _dial(endpoint, timeout))
            transport = _greet(line, endpoint, timeout)
            try:
                _log_in(transport, endpoint)
            except BaseException:
                _hang_up(transport)
                raise
        except BaseException:
            if through:
                through.close()
            raise
        return cls(endpoint, transport, line, through, stall)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; streams that are still open end."""
        self._closing.set()
        _hang_up(self.transport)
        if self._through:
            self._through.close()

    def run(
        self,
        argv: Sequence[bytes | str],
        *,
        stdin: bytes = b"",
        timeout: float = 120.0,
        limit: int = _OUTPUT_MAX,
    ) -> Result:
        """Run a command and wait for its end, at most ``timeout`` seconds.

        Output beyond ``limit`` bytes, no end in time and a lost line raise UnreachableError.
        """
        return self._run(_command(argv), stdin, timeout, limit)

    def write(self, path: bytes, data: bytes, *, timeout: float = 120.0) -> Result:
        """Write ``data`` to a file over there (``cat > PATH``), as ``run`` runs a command."""
        return self._run(b"cat > " + _command([path]), data, timeout, _OUTPUT_MAX)

    def _run(self, command: bytes, stdin: bytes, timeout: float, limit: int) -> Result:
        # Its own time is over first, so that the error says which limit it was.
        with self._start(command, 2 * timeout) as stream, _alarm(timeout, lambda: stream.expire(timeout)):
            try:
                stream.write(stdin)
                stream.close_write()
            except BrokenPipeError:
                pass  # it did not want all of its input: its exit status says whether that is bad
            output = stream.stdout.read(limit + 1)
            if len(output) > limit:
                why = f"more than {limit} bytes from: {_plain(command)}"
                raise UnreachableError(f"{self.endpoint.host} sends without end", why)
            ended = stream.finish()
        return Result(ended.status, output, ended.stderr)

    def stream(self, argv: Sequence[bytes | str], *, idle: float = 300.0) -> Stream:
        """Start a command and talk with it. Close it (``with``): only MAX_STREAMS are open at a time.

        ``idle`` seconds without a byte from it, or without it taking one, end it with UnreachableError.
        """
        return self._start(_command(argv), idle)

    def _start(self, command: bytes, idle: float) -> Stream:
        if not self._slots.acquire(timeout=idle):
            raise PachaError("too many streams at once", f"{MAX_STREAMS} are open and none has ended")
        try:
            channel = self._session(command, idle)
        except BaseException:
            self._slots.release()
            raise
        return Stream(self, channel, idle, self._slots.release)

    def _session(self, command: bytes, idle: float) -> paramiko.Channel:
        channel = None
        try:
            channel = self.transport.open_session(timeout=idle)
            with _alarm(idle, partial(_end, channel)):
                channel.exec_command(command)
        except Exception as error:  # as in _greet
            if channel is not None:
                _end(channel)
            raise self.lost(f"no command could be started: {_plain(str(error))}") from error
        channel.settimeout(idle)
        return channel

    def lost(self, why: str) -> UnreachableError:
        """The error for a line that is gone; ``why`` unless it is known that it stalled."""
        if self.stalled:
            why = f"nothing was heard from it for {self._stall:g} seconds"
        return UnreachableError(
            f"the line to {self.endpoint.host} was lost", why, "run it again when the line is back"
        )

    def _watch(self) -> None:
        """Ask a silent server whether it is there, and hang up if it is not: frees whoever waits."""
        while not self._closing.wait(self._stall / 4) and self.transport.is_active():
            silent = time.monotonic() - self._line.heard
            if silent > self._stall:
                self.stalled = True
                self.transport.close()
            elif silent > self._stall / 2:
                threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        try:
            self.transport.global_request("keepalive@openssh.com", wait=True)
        except (paramiko.SSHException, EOFError, OSError):
            pass  # the line is gone: those who read or write will say so


class Stream:
    """A running remote command: its input, output and errors.

    ``stdin``, ``stdout`` and ``stderr`` are file objects such as Mercurial's peers want them
    (``stderr`` has a descriptor and is always at its end: what the command complains is kept apart).
    """

    def __init__(
        self, connection: Connection, channel: paramiko.Channel, idle: float, release: Callable[[], None]
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._idle = idle
        self._release: Callable[[], None] | None = release
        self._expired: float | None = None
        self._errors = bytearray()
        self._drain = threading.Thread(target=self._keep_errors, daemon=True)
        self._drain.start()
        self._stderr: BinaryIO | None = None
        self.stdin = _Stdin(self)
        self.stdout = io.BufferedReader(_Stdout(self), 256 * 1024)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stderr(self) -> BinaryIO:
        """The read end of a pipe that is at its end."""
        if self._stderr is None:
            reader, writer = os.pipe()
            os.close(writer)
            self._stderr = os.fdopen(reader, "rb", buffering=0)
        return self._stderr

    def read(self, n: int) -> bytes:
        """Up to ``n`` bytes of output, at least one; ``b''`` at its end. Raises UnreachableError."""
        return self.stdout.read1(n)

    def write(self, data: bytes) -> int:
        """Send all of ``data``; returns its length. BrokenPipeError when the command reads no more."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._send(rest) :]
        return len(data)

    def close_write(self) -> None:
        """End the command's input."""
        try:
            self._channel.shutdown_write()
        except (paramiko.SSHException, EOFError, OSError):
            pass  # gone already: reading tells

    def finish(self) -> Result:
        """End its input, pass over the rest of its output, and wait for the command's exit status.

        ``stderr`` of the result holds at most the first 64 KiB. A command that still has more than
        1 MiB to say is stopped, with the status of one that was killed (-1). Raises UnreachableError
        when it does not end, or the line is lost.
        """
        self.close_write()
        with _alarm(self._idle, lambda: self.expire(self._idle)):
            ended = self._pass_over(_PASSED_OVER)
            if ended:
                self._channel.status_event.wait()
        if self._expired is not None:
            raise self._trouble("")
        status = self._channel.exit_status if ended else -1
        if ended and status < 0 and not self._channel.eof_received:
            raise self._trouble("the connection ended")
        self.close()
        self._drain.join(self._idle)
        return Result(status, b"", bytes(self._errors))

    def _pass_over(self, most: int) -> bool:
        """Whether the output's end comes within so many bytes."""
        while most > 0:
            data = self.receive(_PACKET)
            if not data:
                return True
            most -= len(data)
        return False

    def close(self) -> None:
        """Let go of the command, whatever it does."""
        release, self._release = self._release, None
        if release is None:
            return
        _end(self._channel)
        if self._stderr is not None:
            self._stderr.close()
        release()

    def expire(self, seconds: float) -> None:
        """Its time of so many seconds is over: whoever waits for it gets an UnreachableError."""
        self._expired = seconds
        _end(self._channel)

    def receive(self, n: int) -> bytes:
        """Like ``read``, past the buffer of ``stdout``."""
        try:
            data = self._channel.recv(n)
        except TimeoutError as error:
            raise self._trouble(f"the command said nothing for {self._idle:g} seconds") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._trouble(_plain(str(error))) from error
        if not data and not self._channel.eof_received and self._channel.exit_status < 0:
            raise self._trouble("the connection ended")
        return data

    def _send(self, data: memoryview) -> int:
        try:
            sent = self._channel.send(data[:_PACKET].tobytes())
        except TimeoutError as error:
            raise self._trouble(f"the command read nothing for {self._idle:g} seconds") from error
        except (paramiko.SSHException, EOFError, OSError):
            sent = 0
        if sent == 0:
            if self._connection.transport.is_active() and self._expired is None:
                raise BrokenPipeError("the remote command reads no more")
            raise self._trouble("the connection ended")
        return sent

    def _trouble(self, why: str) -> UnreachableError:
        if self._expired is not None:
            why = f"no end of the command within {self._expired:g} seconds"
            return UnreachableError(f"{self._connection.endpoint.host} took too long", why)
        return self._connection.lost(why)

    def _keep_errors(self) -> None:
        """Read the command's errors as they come, so that it never waits for us; keep the first of them."""
        while True:
            try:
                data = self._channel.recv_stderr(_PACKET)
            except TimeoutError:
                continue
            except (paramiko.SSHException, EOFError, OSError):
                return
            if not data:
                return
            self._errors += data[: _STDERR_KEPT - len(self._errors)]


class _Stdout(io.RawIOBase):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.receive(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Stdin:
    """What a command reads, as an unbuffered file."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.closed = False

    def write(self, data: bytes) -> int:
        """Send all of ``data`` and say how much that was."""
        return self._stream.write(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """End the command's input."""
        self.closed = True
        self._stream.close_write()


def _end(channel: paramiko.Channel) -> None:
    try:
        channel.close()
    except (paramiko.SSHException, EOFError, OSError):
        pass  # the line is gone, and the channel with it


@contextmanager
def _alarm(seconds: float, ring: Callable[[], object]) -> Iterator[None]:
    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _command(argv: Sequence[bytes | str]) -> bytes:
    """One line for the remote shell, each word quoted so that it stays one word."""
    words = [os.fsencode(word) for word in argv]
    if not words or any(b"\0" in word for word in words):
        raise UsageError("not a command that can be sent", "it is empty or has a zero byte in it")
    return b" ".join(os.fsencode(shlex.quote(os.fsdecode(word))) for word in words)


def _plain(text: str | bytes) -> str:
    """Text that may come from the other side, as one harmless line."""
    if isinstance(text, str):
        text = text.encode("utf-8", "backslashreplace")
    return shown(text[:200])
