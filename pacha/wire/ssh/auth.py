"""Log in with a key of the agent or from a file, never with a password."""

from __future__ import annotations

from dataclasses import dataclass, field

from pacha.errors import UnreachableError
from pacha.system import details
from pacha.text import one_line
from pacha.wire.ssh.endpoint import Endpoint
from pacha.wire.ssh.identities import Identities
from pacha.wire.ssh.library import paramiko, refuse_unknown
from pacha.wire.ssh.offer import KeyOutcome, Offer, Unusable


@dataclass(slots=True)
class _Attempts:
    """The keys that were tried, in words and as outcomes."""

    words: list[str] = field(default_factory=list)
    outcomes: set[KeyOutcome] = field(default_factory=set)

    def add(self, label: str, outcome: KeyOutcome, words: str = "") -> None:
        self.words.append(f"{label} ({words or outcome.value})")
        self.outcomes.add(outcome)


def log_in(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    """Try each key in turn. Raises UnreachableError, which names all of them, if none is accepted."""
    identities = Identities(endpoint)
    try:
        tried = _try_keys(transport, endpoint, identities)
    finally:
        identities.close()
    if identities.agent_failure:
        details.tell(f"The agent of SSH_AUTH_SOCK was left alone: {one_line(identities.agent_failure)}.")
    if transport.is_authenticated():
        return
    none = f"no key: neither an agent nor {' or '.join(endpoint.key_files)}"
    raise UnreachableError(
        f"{endpoint.host} does not let us in as {endpoint.user}.",
        f"tried {', '.join(tried.words)}" if tried.words else none,
        _key_hint(endpoint, tried.outcomes),
        code="login-refused",
    )


def _try_keys(transport: paramiko.Transport, endpoint: Endpoint, identities: Identities) -> _Attempts:
    """Try each key until one is accepted; returns the failed attempts."""
    tried = _Attempts()
    for label, key in identities:
        if isinstance(key, Unusable):
            tried.add(label, key.outcome, key.words)
            continue
        if not _takes(transport, key):
            tried.add(label, KeyOutcome.NO_HASH)
            continue
        outcome, words = _attempt(transport, endpoint.user, key)
        if outcome is None:
            break
        tried.add(label, outcome, words)
        if outcome is KeyOutcome.NO_KEYS:
            break
        if not transport.is_active():
            tried.words.append("then the master hung up")
            tried.outcomes.add(KeyOutcome.HUNG_UP)
            break
    return tried


def _takes(transport: paramiko.Transport, key: Offer) -> bool:
    """Whether the server accepts keys of this kind. Trying an RSA key that it does not would end the connection."""
    extensions: dict[str, bytes] = transport.server_extensions  # type: ignore[attr-defined]
    algorithms = extensions.get("server-sig-algs", b"").decode("ascii", "replace").split(",")
    if "rsa" not in key.get_name() or algorithms == [""]:
        return True
    return not {"rsa-sha2-256", "rsa-sha2-512"}.isdisjoint(algorithms)


def _attempt(transport: paramiko.Transport, user: str, key: Offer) -> tuple[KeyOutcome | None, str]:
    """The outcome, None for a login; and words to show instead of the outcome's own, or ""."""
    try:
        return (KeyOutcome.TAKEN if transport.auth_publickey(user, key) else None), ""
    except paramiko.BadAuthenticationType:
        return KeyOutcome.NO_KEYS, ""
    except paramiko.AuthenticationException:
        if key.failure:
            return KeyOutcome.UNSIGNED, f"{KeyOutcome.UNSIGNED.value}: {key.failure}"
        return KeyOutcome.REFUSED, ""
    except Exception as error:  # as in handshake
        refuse_unknown(error)
        return KeyOutcome.HUNG_UP, one_line(str(error))


def _key_hint(endpoint: Endpoint, outcomes: set[KeyOutcome]) -> str:
    if not outcomes - {KeyOutcome.SILENT}:
        silent = "see with ssh-add -l why the agent does not answer" if outcomes else ""
        return f"Make a key with ssh-keygen, or name one with pacha.ssh.key{f'; {silent}' if silent else ''}."
    not_refused = KeyOutcome.REFUSED not in outcomes
    if KeyOutcome.SILENT in outcomes and not_refused:
        return "See with ssh-add -l why the agent does not answer, or name a key without a passphrase in pacha.ssh.key."
    if not_refused and KeyOutcome.OPEN in outcomes:
        return "Let nobody else read the key: chmod 600."
    if not_refused and KeyOutcome.UNSIGNED in outcomes:
        return "See what the agent says to ssh itself: ssh -v; a key on a token has to be plugged in and touched."
    if not_refused and KeyOutcome.LOCKED in outcomes:
        return "Load the key into an agent (ssh-add), or use one without a passphrase."
    if not_refused and outcomes & {KeyOutcome.NOT_A_KEY, KeyOutcome.PUBLIC}:
        return "Name the private half of a key in pacha.ssh.key, not its .pub file."
    let_in = (
        f"pacha add-host HOST --key FILE --install {endpoint.user} (only where "
        "there is no Pacha: ssh-copy-id); check pacha.ssh.user."
    )
    if not_refused and KeyOutcome.MISSING in outcomes:
        return f"Correct pacha.ssh.key; or make that key with ssh-keygen and let its .pub in, on the master: {let_in}"
    if KeyOutcome.HUNG_UP in outcomes:
        return (
            "sshd hangs up after MaxAuthTries: if it knows another key than these, name that in pacha.ssh.key, to be "
            f"tried first; if it knows none, let one in, on the master: {let_in}"
        )
    return f"Copy its public half (.pub) to the master, and let it in there: {let_in}"
