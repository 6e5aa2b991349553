"""Whether a host signed a snapshot: verify the statement beside its pacha.db by this machine's allowed signers.

That is done before pacha.db is opened, so that one which is refused is not used for anything.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import Enum
from functools import partial

from pacha.config.signers import Signers
from pacha.errors import DamagedError
from pacha.store import statement
from pacha.store.host_state import HostState, Stated
from pacha.store.statement import Statement
from pacha.system import signature
from pacha.system.signature import Signature
from pacha.system.signed_text import digest
from pacha.text import escape, rfc3339
from pacha.wire import heartbeat
from pacha.wire.heartbeat import SignedWord

_HOW = "See share/doc/pacha/signing.rst."
_MOST_UNVOUCHED = 10**12  #: a higher counter is not remembered unless a signer vouches for it
_CLOCK = 2.0  #: seconds by which the time of a revision may differ from that of its statement, which has no fractions


class SignatureState(str, Enum):
    """The state of the signature of a snapshot, or of a heartbeat."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"
    BAD = "bad"  #: the signature is not of this text, or the signer may not sign for the host


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a signed snapshot has to be: one of ``host``, made at ``at``, whose pacha.db has the sha256 ``database``.

    ``node``: its revision of ``db``; ``text`` and ``armored``: its statement and signature, b"" for none.
    """

    host: str
    node: str
    at: float
    database: str
    text: bytes
    armored: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who signed a snapshot, and what; ``digest``: of the statement's text; ``key``: the signer's fingerprint.

    ``vouched``: an allowed signer of this machine made it. Otherwise all of it is only a claim of the snapshot.
    """

    statement: Statement | None = None
    digest: str = ""
    key: str = ""
    vouched: bool = False


def claimed(claim: Claim) -> Provenance:
    """The provenance by the snapshot's own statement, if that fits the snapshot. Verifies no signature."""
    try:
        stated = _statement(claim)
        key = signature.read_armored(claim.armored).fingerprint
    except (DamagedError, ValueError):
        return Provenance()
    return Provenance(statement=stated, digest=digest(claim.text), key=key)


def verify(claim: Claim, signers: Signers) -> Provenance:
    """The provenance, which an allowed signer vouches for. Raises DamagedError, and PachaError without ssh-keygen."""
    if not claim.text or not claim.armored:
        raise DamagedError(
            f"The snapshot {claim.node[:12]} of '{claim.host}' is not signed.",
            f"{signers.name} says who may sign, and nobody did",
            f"Nothing was changed. Whoever pushed it had no key: pacha log {claim.host}",
            subject=claim.node,
            code="snapshot-unsigned",
        )
    stated, signed = _statement(claim), _signature(claim)
    check_signer(claim.host, claim.text, signed, statement.NAMESPACE, stated.at, signers)
    return Provenance(statement=stated, digest=digest(claim.text), key=signed.fingerprint, vouched=True)


def state_of(claim: Claim, signers: Signers | None) -> tuple[SignatureState, str]:
    """The state of a snapshot, and its fault, "" for none; without ``signers``, whoever signed it.

    Raises PachaError without ssh-keygen.
    """
    if not claim.text and not claim.armored:
        return SignatureState.UNSIGNED, "" if signers is None else f"it is not signed, and {signers.name} asks for it"
    try:
        if signers is not None:
            verify(claim, signers)
        else:
            _statement(claim)
            _check_intact(claim.host, claim.text, _signature(claim), statement.NAMESPACE)
    except DamagedError as error:
        return SignatureState.BAD, error.in_a_line
    return SignatureState.SIGNED, ""


def check_signer(host: str, text: bytes, signed: Signature, namespace: str, at: float, signers: Signers) -> None:
    """Raise DamagedError unless a key that may sign for ``host`` at the time ``at`` signed ``text``."""
    counts = partial(signature.is_by, text, signed, namespace, principal=host, at=at, signers=signers.text)
    if counts(revoked=signers.revoked):
        return
    _check_intact(host, text, signed, namespace)
    key = f"the key {signed.fingerprint}"
    if signers.revoked and counts(revoked=b""):
        raise DamagedError(
            f"A key that was revoked signed what the master has of '{host}'.",
            key,
            f"Nothing was changed. Whoever has that key may have made it. {_HOW}",
            subject=signed.fingerprint,
            code="signer-revoked",
        )
    if base64.b64encode(signed.key) in signers.text.split():
        raise DamagedError(
            f"A key that may not sign for '{host}' at that time signed what the master has of it.",
            f"{key} is in {signers.name}, but not for '{host}', {namespace} and {rfc3339(at)}",
            f"Nothing was changed. If it may, correct that line. {_HOW}",
            subject=signed.fingerprint,
            code="signer-not-allowed",
        )
    raise DamagedError(
        f"An unknown key signed what the master has of '{host}'.",
        f"{key} is not in {signers.name}",
        f"Nothing was changed. If the host says that it is its own (pacha doctor), add its line. {_HOW}",
        subject=signed.fingerprint,
        code="signer-unknown",
    )


def check_word(signed: SignedWord, host: str, signers: Signers | None) -> None:
    """Raise DamagedError unless ``host`` signed the word in its heartbeat; without ``signers``, anybody."""
    if signed.word.host != host:
        raise _wrong(host)
    if signers is None:
        _check_intact(host, signed.text, signed.signature, heartbeat.NAMESPACE)
    else:
        check_signer(host, signed.text, signed.signature, heartbeat.NAMESPACE, signed.word.at, signers)


def _check_intact(host: str, text: bytes, signed: Signature, namespace: str) -> None:
    if not signature.is_intact(text, signed, namespace):
        raise _wrong(host)


def _signature(claim: Claim) -> Signature:
    try:
        return signature.read_armored(claim.armored)
    except ValueError:
        raise _wrong(claim.host) from None


def _wrong(host: str) -> DamagedError:
    return DamagedError(
        f"What the master has of '{host}' has a signature that does not fit it.",
        "it is of something else, was made for another purpose, or is damaged",
        f"Nothing was changed. Look at the host's folder on the master. {_HOW}",
        code="signature-wrong",
    )


def _statement(claim: Claim) -> Statement:
    """The statement. Raises DamagedError unless it is on this snapshot."""
    try:
        stated = statement.decode(claim.text)
    except ValueError as error:
        raise _differs(claim, str(error)) from None
    if stated.host != claim.host:
        raise _differs(claim, f"it is on the host '{escape(stated.host)}'")
    if stated.database != claim.database:
        raise _differs(claim, "it is on another pacha.db")
    if abs(stated.at - claim.at) > _CLOCK:
        raise _differs(claim, f"it was made at {rfc3339(stated.at)}, and the snapshot says {rfc3339(claim.at)}")
    return stated


def _differs(claim: Claim, why: str) -> DamagedError:
    return DamagedError(
        f"The statement of the snapshot {claim.node[:12]} is not on that snapshot of '{claim.host}'.",
        why,
        f"Nothing was changed. An earlier Pacha may have pushed it; else somebody exchanged it. {_HOW}",
        subject=f"{claim.node} {why}",
        code="statement-differs",
    )


def accepted(state: HostState, host: str, tip: str, provenance: Provenance) -> dict[str, Stated]:
    """The statements to remember once the snapshot ``tip`` is accepted. A counter never goes back.

    The key is remembered only if a signer vouched for it; otherwise the next push of this machine signs by its own.
    """
    stated, known = provenance.statement, state.stated.get(host)
    lowest = known.counter if known else 0
    if stated is None or stated.counter < lowest or not (provenance.vouched or stated.counter <= _MOST_UNVOUCHED):
        return dict(state.stated)
    key = provenance.key if provenance.vouched else ""
    return {**state.stated, host: Stated(counter=stated.counter, digest=provenance.digest, tip=tip, key=key)}
