"""Sign a new snapshot, and this host's last word in the heartbeat.

The counter goes on from what this machine remembers. A parent that it does not remember making, as after it was set
back, counts only where its own key has signed that: who may add to the history must not choose the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pacha.errors import PachaError
from pacha.files.names import DATABASE
from pacha.host.signing import SigningKey, own_key
from pacha.store import hg, statement
from pacha.store.host_state import Stated
from pacha.store.statement import Statement
from pacha.system import signature
from pacha.system.signature import Signature
from pacha.system.signed_text import MOST_COUNTER, NO_DIGEST, digest
from pacha.wire import heartbeat
from pacha.wire.heartbeat import LastWord

if TYPE_CHECKING:
    from pacha.push.session import PushSession

_NOT_SIGNED = "This is not signed: {why}"
NAMES = (statement.STATEMENT, statement.SIGNATURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTexts:
    """The signed texts beside pacha.db: which are ``written`` and ``removed``, and what the state remembers of them.

    All are empty if the parent's texts stay.
    """

    written: Mapping[bytes, bytes] = field(default_factory=dict)
    removed: tuple[bytes, ...] = ()
    stated: Stated | None = None


def is_due(session: PushSession, tip: str) -> bool:
    """Whether the newest snapshot, ``tip``, has to be signed although nothing changed: by a first, or another, key."""
    key, known = own_key(session.context.config), session.state.stated.get(session.host)
    if key is None:
        return False
    return known is None or known.tip != tip or known.key != (key.fingerprint or known.key)


def texts(session: PushSession, parent: str, image: bytes, note: hg.Note, *, may_stay: bool) -> SignedTexts:
    """The texts of a snapshot with the pacha.db ``image`` on ``parent``, made at the time of ``note``.

    ``may_stay``: the parent's may stay, if they are of this image. Raises PachaError where the key that the
    configuration names cannot sign.
    """
    repository = session.repository(DATABASE)
    has_parent = parent != hg.NULL and repository.has(parent)
    before = statement.read(repository.reader(parent)) if has_parent else (b"", b"")
    removed = tuple(name for name, text in zip(NAMES, before, strict=True) if text)
    key = own_key(session.context.config)
    if key is None:
        return SignedTexts(removed=removed)
    last = _last_statement(session, parent, key, *before)
    if may_stay and last.database == digest(image) and not is_due(session, parent):
        return SignedTexts()
    new = Statement(host=session.host, counter=last.counter + 1, at=note.at, database=digest(image), before=last.before)
    text = statement.encode(new)
    signed = _sign(session, key, text, statement.NAMESPACE)
    if signed is None:
        return SignedTexts(removed=removed)
    stated = Stated(counter=new.counter, digest=digest(text), key=signed.fingerprint)
    return SignedTexts(written=dict(zip(NAMES, (text, signed.armored), strict=True)), stated=stated)


def _last_statement(session: PushSession, parent: str, key: SigningKey, text: bytes, signed: bytes) -> Statement:
    """The parent's statement if it counts, else the remembered one; its own digest is in ``before``."""
    known = session.state.stated.get(session.host, Stated(counter=0, digest=NO_DIGEST))
    last = Statement(host=session.host, counter=known.counter, at=0, database=NO_DIGEST, before=known.digest)
    try:
        parents = replace(statement.decode(text), before=digest(text))
        follows = parents.host == session.host and known.counter <= parents.counter < MOST_COUNTER
        if follows and known.tip != parent:
            own = signature.read_armored(signed)
            follows = own.fingerprint == key.fingerprint and signature.is_intact(text, own, statement.NAMESPACE)
        if follows:
            return parents
    except (ValueError, PachaError):
        pass
    return last


def _sign(session: PushSession, key: SigningKey, text: bytes, namespace: str) -> Signature | None:
    try:
        return signature.sign(text, namespace, key.path)
    except PachaError as error:
        if key.named:
            raise
        session.notices.append(_NOT_SIGNED.format(why=error.in_a_line))
        return None


def last_word(session: PushSession, tip: str) -> dict[str, str]:
    """The fields of a heartbeat with this host's signed word on its newest snapshot; {} where that is not signed.

    Raises PachaError where the key that the configuration names cannot sign.
    """
    key, known = own_key(session.context.config), session.state.stated.get(session.host)
    if key is None or known is None or known.tip != tip:
        return {}
    word = LastWord(
        host=session.host, counter=known.counter, at=time.time(), frequency=session.context.config.frequency, tip=tip,
        statement=known.digest,
    )  # fmt: skip
    text = heartbeat.encode_word(word)
    signed = _sign(session, key, text, heartbeat.NAMESPACE)
    return heartbeat.signed_fields(text, signed) if signed else {}
