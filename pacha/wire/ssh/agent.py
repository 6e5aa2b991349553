"""Ask an ssh-agent (draft-ietf-sshm-ssh-agent) for its keys and for signatures, with time limits."""

from __future__ import annotations

import socket
import struct
import time

from pacha.wire.ssh.public_key import CERTIFICATE, packed

_ASK_FOR_KEYS, _KEYS = 11, 12  #: SSH_AGENTC_REQUEST_IDENTITIES, SSH_AGENT_IDENTITIES_ANSWER
_ASK_TO_SIGN, _SIGNATURE = 13, 14  #: SSH_AGENTC_SIGN_REQUEST, SSH_AGENT_SIGN_RESPONSE
_HASHES = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}  #: the flags of a signature with an RSA key
_LONGEST = 256 * 1024  #: bytes of a message, OpenSSH's limit
_MOST_KEYS = 2048
TO_LIST = 3.0  #: seconds to list its keys
TO_SIGN = 12.0  #: seconds for a signature: a person may have to touch a key or confirm


class AgentError(Exception):
    """The agent does not answer, or refuses. The text is for people."""


class Agent:
    """A connection to an agent, and the ``keys`` that it has (blobs, RFC 4253, 6.6), in its order."""

    def __init__(self, path: str) -> None:
        """Connect and list the keys. Raises AgentError where there is no agent, or no answer in time."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.settimeout(TO_LIST)
            self._sock.connect(path)
            reader = _Reader(self._asked(_ASK_FOR_KEYS, b"", _KEYS, TO_LIST))
            count = min(reader.number(), _MOST_KEYS)
            self.keys = tuple([reader.string(), reader.string()][0] for _ in range(count))  # each with a comment
        except (OSError, ValueError) as error:
            self.close()
            raise AgentError(str(getattr(error, "strerror", None) or error)) from error
        except AgentError:
            self.close()
            raise

    def close(self) -> None:
        self._sock.close()

    def sign(self, key: bytes, data: bytes, algorithm: str) -> bytes:
        """The signature (RFC 4253, 6.6) of ``data`` with one of the keys. Raises AgentError."""
        flags = _HASHES.get(algorithm.removesuffix(CERTIFICATE), 0)
        message = packed(key) + packed(data) + struct.pack(">I", flags)
        try:
            return _Reader(self._asked(_ASK_TO_SIGN, message, _SIGNATURE, TO_SIGN)).string()
        except (OSError, ValueError) as error:
            raise AgentError(str(error)) from error

    def _asked(self, kind: int, message: bytes, expected: int, seconds: float) -> bytes:
        """The agent's answer. After a failure the connection is closed, and later requests fail at once."""
        until = time.monotonic() + seconds
        try:
            self._sock.settimeout(seconds)
            self._sock.sendall(struct.pack(">IB", 1 + len(message), kind) + message)
            (length,) = struct.unpack(">I", self._read(4, until))
            if not 0 < length <= _LONGEST:
                raise AgentError("its answer makes no sense")
            answer = self._read(length, until)
        except (OSError, AgentError) as error:
            self.close()
            late = isinstance(error, TimeoutError)
            raise AgentError(f"it did not answer within {seconds:g} seconds" if late else str(error)) from error
        if answer[0] != expected:
            raise AgentError("it refuses")
        return answer[1:]

    def _read(self, size: int, until: float) -> bytes:
        data = b""
        while len(data) < size:
            self._sock.settimeout(max(0.001, until - time.monotonic()))
            more = self._sock.recv(size - len(data))
            if not more:
                raise AgentError("it hung up")
            data += more
        return data


class _Reader:
    """Reads the parts of a message in order. Raises ValueError for a short one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def number(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        return self._take(self.number())

    def _take(self, size: int) -> bytes:
        if len(self._data) < size:
            raise ValueError("its answer is incomplete")
        part, self._data = self._data[:size], self._data[size:]
        return part
