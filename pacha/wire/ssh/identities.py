"""The keys to log in with, in the order of ssh(1), except that named files are tried before the agent is asked.

A key in a file is followed by its certificate. A file that is locked, or is only the public half, is tried through the
agent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from pacha.wire.ssh.agent import Agent, AgentError
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.known_hosts import fingerprint, key_kind
from pacha.wire.ssh.library import paramiko, refuse_unknown
from pacha.wire.ssh.offer import KeyOutcome, Offer, Unusable
from pacha.wire.ssh.public_key import plain_key, public_half, public_key

_Candidate = tuple[str, "Offer | Unusable"]


class Identities:
    """Yields each key with a name for people, or why it cannot be used. Asks the agent only when needed."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._agent: Agent | None = None
        self._asked = False
        self._offered: set[bytes] = set()
        self.agent_failure = ""

    def close(self) -> None:
        """Close the connection to the agent."""
        if self._agent:
            self._agent.close()

    def __iter__(self) -> Iterator[_Candidate]:
        for label, key in self._all():
            if isinstance(key, Offer):
                if key.blob in self._offered:
                    continue
                yield label, key
                if not key.failure:
                    self._offered.add(key.blob)
            else:
                yield label, key

    def _all(self) -> Iterator[_Candidate]:
        for file in self._endpoint.certificates:
            yield from self._certificate(file)
        if not self._endpoint.named_keys and not self._endpoint.only_these_keys:
            yield from self._of_agent()
        later = []
        for file in self._files():
            key = _load(file)
            if isinstance(key, Unusable):
                later.append((file, key))
            else:
                blob = key.asbytes()
                yield file, _offer_of(blob, key)
                if certificate := _certificate_of(file, blob):
                    yield f"{file}-cert.pub", _offer_of(certificate, key)
        for file, reason in later:
            yield from self._by_agent(file, reason)
        if self._endpoint.named_keys and not self._endpoint.only_these_keys:
            yield from self._of_agent()
        if self.agent_failure:
            yield "the agent of SSH_AUTH_SOCK", Unusable(KeyOutcome.SILENT, self.agent_failure)

    def _files(self) -> list[str]:
        """The key files that exist, or whose absence a person should be told of."""
        files = self._endpoint.key_files
        is_named = self._endpoint.only_these_keys or len(files) == 1
        return [file for file in files if is_named or os.path.exists(file) or public_key(f"{file}.pub")]

    def _keys(self) -> tuple[bytes, ...]:
        """The agent's keys; () where there is no agent."""
        if not self._asked:
            self._asked = True
            setting = self._endpoint.agent
            path = os.environ.get("SSH_AUTH_SOCK", "") if setting is None else setting
            try:
                self._agent = Agent(path) if path else None
            except AgentError as error:
                self.agent_failure = str(error)
        return self._agent.keys if self._agent else ()

    def _of_agent(self) -> Iterator[_Candidate]:
        """The keys of the agent: first those that files name, last those that have to be touched."""
        named_blobs = [blob for file in self._endpoint.key_files if (blob := public_half(file))]

        def place(blob: bytes) -> tuple[bool, bool]:
            return plain_key(blob) not in named_blobs, key_kind(blob).startswith("sk-")

        for blob in sorted(self._keys(), key=place):
            yield self._offer(blob, blob)

    def _offer(self, public: bytes, key: bytes) -> _Candidate:
        """An offer of the ``public`` blob, signed by the agent with its ``key``."""
        agent = self._agent
        assert agent
        kind = "certificate" if public != plain_key(public) else "key"
        return f"agent {kind} {fingerprint(public)}", Offer(public, lambda data, name: agent.sign(key, data, name))

    def _by_agent(self, file: str, reason: Unusable) -> Iterator[_Candidate]:
        """A key whose file cannot be used, if the agent has it; then its certificates."""
        blob = public_half(file)
        keys = [key for key in self._keys() if blob and plain_key(key) == plain_key(blob)]
        for key in sorted(keys, key=lambda key: key != blob):
            yield self._offer(key, key)
        if not keys:
            yield file, reason
        elif certificate := _certificate_of(file, plain_key(keys[0])):
            yield self._offer(certificate, keys[0])

    def _certificate(self, file: str) -> Iterator[_Candidate]:
        """A certificate of CertificateFile, with its key from a file or the agent."""
        certificate = public_key(file)
        if certificate is None:
            yield file, Unusable(KeyOutcome.NOT_A_KEY if os.path.exists(file) else KeyOutcome.MISSING)
            return
        for private in self._endpoint.key_files:
            if public_half(private) == plain_key(certificate):
                key = _load(private)
                if not isinstance(key, Unusable):
                    yield file, _offer_of(certificate, key)
                    return
        for blob in self._keys():
            if plain_key(blob) == plain_key(certificate):
                yield self._offer(certificate, blob)
                return


def _certificate_of(file: str, blob: bytes) -> bytes | None:
    """The certificate beside a private key (or its public half), if it is for ``blob``."""
    for name in (f"{file}-cert.pub", f"{file.removesuffix('.pub')}-cert.pub"):
        certificate = public_key(name)
        if certificate and certificate != blob and plain_key(certificate) == blob:
            return certificate
    return None


def _offer_of(blob: bytes, key: paramiko.PKey) -> Offer:
    def sign(data: bytes, algorithm: str) -> bytes:
        signature = key.sign_ssh_data(data, algorithm)
        return signature if isinstance(signature, bytes) else signature.asbytes()

    return Offer(blob, sign)


def _load(file: str) -> paramiko.PKey | Unusable:
    """A private key, or why it cannot be used. As ssh, refuses our own if others may read it."""
    try:
        status = os.stat(file)
        is_open = status.st_uid == os.getuid() and status.st_mode & 0o077
        key = paramiko.PKey.from_path(file)
    except (TypeError, paramiko.PasswordRequiredException) as error:
        refuse_unknown(error)
        return Unusable(KeyOutcome.OPEN if is_open else KeyOutcome.LOCKED)
    except OSError as error:
        outcome = KeyOutcome.MISSING if isinstance(error, FileNotFoundError) else KeyOutcome.UNREADABLE
        return Unusable(outcome, error.strerror or "")
    except Exception as error:  # whatever the parsers below paramiko raise for a file that is not a key
        refuse_unknown(error)
        return Unusable(KeyOutcome.PUBLIC if public_key(file) else KeyOutcome.NOT_A_KEY)
    if is_open:
        return Unusable(KeyOutcome.OPEN)
    key.public_blob = None  # a certificate beside it is not the key
    return key
