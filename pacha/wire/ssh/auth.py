"""Logging in: with a key of the agent or from a file, never with a password."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pacha.errors import UnreachableError
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.known_hosts import fingerprint
from pacha.wire.ssh.library import paramiko

_Candidate = tuple[str, Callable[[], "paramiko.PKey | str"]]


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
        f"tried {', '.join(tried)}" if tried else none,
        _key_hint(endpoint, " ".join(tried)),
    )


def _try_keys(transport: paramiko.Transport, endpoint: Endpoint, agent_keys: Sequence[paramiko.AgentKey]) -> list[str]:
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
        except Exception as error:  # as in greet
            tried.append(f"{label} ({one_line(str(error)) or 'the master hung up'})")
        if not transport.is_active():
            tried.append("then the master hung up")
            break
    return tried


def _key_hint(endpoint: Endpoint, tried: str) -> str:
    if not tried:
        return "Make a key with ssh-keygen, or name one with pacha.ssh.key."
    if "passphrase" in tried and "refused" not in tried:
        return "Load the key into an agent (ssh-add), or use one without a passphrase."
    if "not a key" in tried and "refused" not in tried:
        return "Name the private half of a key in pacha.ssh.key, not its .pub file."
    if "No such file" in tried and "refused" not in tried:
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
