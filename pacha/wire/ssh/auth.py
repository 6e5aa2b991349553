"""Log in with a key of the agent or from a file, never with a password."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pacha.errors import UnreachableError
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.known_hosts import fingerprint
from pacha.wire.ssh.library import paramiko, refuse_unknown


class _Outcome(Enum):
    """How it went with a key, in the words that follow its name."""

    REFUSED = "refused"
    TAKEN = "taken, but the master wants more than a key"
    NO_KEYS = "the master takes no keys from this user"
    HUNG_UP = "the master hung up"
    LOCKED = "needs a passphrase, and no agent has it"
    NOT_A_KEY = "not a key that can be used"
    MISSING = "No such file or directory"
    UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A key that cannot be loaded: how that is, and the system's word for it if it has one."""

    outcome: _Outcome
    words: str = ""


@dataclass(slots=True)
class _Attempts:
    """What was tried, in words and as outcomes."""

    words: list[str] = field(default_factory=list)
    outcomes: set[_Outcome] = field(default_factory=set)

    def add(self, label: str, outcome: _Outcome, words: str = "") -> None:
        self.words.append(f"{label} ({words or outcome.value})")
        self.outcomes.add(outcome)


_Candidate = tuple[str, Callable[[], "paramiko.PKey | _Unusable"]]


def log_in(transport: paramiko.Transport, endpoint: Endpoint) -> None:
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
        f"{endpoint.host} does not let us in as {endpoint.user}.",
        f"tried {', '.join(tried.words)}" if tried.words else none,
        _key_hint(endpoint, tried.outcomes),
        code="login-refused",
    )


def _try_keys(transport: paramiko.Transport, endpoint: Endpoint, agent_keys: Sequence[paramiko.AgentKey]) -> _Attempts:
    """Try each key until one is taken; what was tried before it, and how that went."""
    tried = _Attempts()
    for label, load in _keys(endpoint, agent_keys):
        key = load()
        if isinstance(key, _Unusable):
            tried.add(label, key.outcome, key.words)
            continue
        try:
            if not transport.auth_publickey(endpoint.user, key):
                break
            tried.add(label, _Outcome.TAKEN)
        except paramiko.BadAuthenticationType:
            tried.add(label, _Outcome.NO_KEYS)
            break
        except paramiko.AuthenticationException:
            tried.add(label, _Outcome.REFUSED)
        except Exception as error:  # as in handshake
            refuse_unknown(error)
            tried.add(label, _Outcome.HUNG_UP, one_line(str(error)))
        if not transport.is_active():
            tried.words.append("then the master hung up")
            break
    return tried


def _key_hint(endpoint: Endpoint, outcomes: set[_Outcome]) -> str:
    if not outcomes:
        return "Make a key with ssh-keygen, or name one with pacha.ssh.key."
    not_refused = _Outcome.REFUSED not in outcomes
    if not_refused and _Outcome.LOCKED in outcomes:
        return "Load the key into an agent (ssh-add), or use one without a passphrase."
    if not_refused and _Outcome.NOT_A_KEY in outcomes:
        return "Name the private half of a key in pacha.ssh.key, not its .pub file."
    if not_refused and _Outcome.MISSING in outcomes:
        return "Correct pacha.ssh.key, or make the key with ssh-keygen and have it let in there: pacha add-host"
    return f"Put the public key into ~{endpoint.user}/.ssh/authorized_keys there; check pacha.ssh.user."


def _keys(endpoint: Endpoint, agent_keys: Sequence[paramiko.AgentKey]) -> Iterator[_Candidate]:
    """What to log in with, best first: a name for people, and how to get the key (or why not, str)."""
    wanted = [blob for file in endpoint.key_files if (blob := _public_half(file))]
    offered = set()
    for key in sorted(agent_keys, key=lambda key: key.asbytes() not in wanted):
        if endpoint.only_these_keys and key.asbytes() not in wanted:
            continue
        offered.add(key.asbytes())
        yield f"agent key {fingerprint(key.asbytes())}", lambda key=key: key  # type: ignore[misc]
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


def _load(file: str) -> paramiko.PKey | _Unusable:
    """A private key, or why it cannot be used."""
    try:
        return paramiko.PKey.from_path(file)
    except (TypeError, paramiko.PasswordRequiredException) as error:
        refuse_unknown(error)
        return _Unusable(_Outcome.LOCKED)
    except OSError as error:
        outcome = _Outcome.MISSING if isinstance(error, FileNotFoundError) else _Outcome.UNREADABLE
        return _Unusable(outcome, error.strerror or "")
    except Exception as error:  # whatever the parsers below paramiko raise for a file that is not a key
        refuse_unknown(error)
        return _Unusable(_Outcome.NOT_A_KEY)
