"""Decide at a push what is sealed: this machine's own configuration alone says which paths, and for whom.

A file that is to be sealed, or sealed anew for other recipients, or to go back into the clear, is read anew. What a
rebuild still owes stays as it was recorded, under the key of then.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pacha.errors import Concern, ConfigError, DamagedError
from pacha.files import keyed
from pacha.files.entry import Entry
from pacha.files.listing import Fingerprints
from pacha.files.names import DATABASE
from pacha.sealing import keys, recipients
from pacha.sealing.keys import SealKey
from pacha.sealing.rules import SealRules
from pacha.sealing.sealer import Sealer
from pacha.store import companions
from pacha.store.companions import SEAL_KEYS
from pacha.store.recorded import may_be_sealed
from pacha.store.snapshot import SEALED_SCHEMA, Snapshot

if TYPE_CHECKING:
    from pacha.push.session import PushSession

_OTHERS = "names others than at the last push: what is sealed is sealed anew, for them alone"
_IN_THE_CLEAR = "{count} paths that were sealed are in the clear from now on: pacha.seal does not match them any more"


@dataclass(slots=True, kw_only=True)
class PushSealing:
    """What is sealed by a push: what the ``rules`` match, by the ``sealer`` (None: nothing is sealed any more).

    ``keys``: all that are known, by id, also those without their secret.
    """

    rules: SealRules = field(default_factory=lambda: SealRules(()))
    sealer: Sealer | None = None
    keys: Mapping[bytes, SealKey] = field(default_factory=dict)

    @property
    def secrets(self) -> dict[bytes, bytes]:
        """The keys of digests that are known, by id."""
        return {key.id: key.secret for key in self.keys.values() if key.secret}

    def is_right(self, entry: Entry, *, wanted: bool) -> bool:
        """Whether ``entry`` of the last snapshot is sealed as it should be: not at all, or for the recipients of now.

        That is by the newest key, or by one that was adopted, which is used for nothing new.
        """
        if not wanted or self.sealer is None:
            return entry.sealed is None
        key = self.keys.get(keyed.key_id(entry.sealed))
        same = key is not None and key.is_adopted and key.recipients == self.sealer.recipients.fingerprint
        return same or keyed.key_id(entry.sealed) == self.sealer.key.id

    def named(self, needed: Collection[bytes]) -> list[SealKey]:
        """The keys to be kept beside pacha.db: the ``needed``, and the newest where only that one has its patterns."""
        kept = [key for id_, key in self.keys.items() if id_ in needed]
        if self.sealer is None or any(not key.secret or key.patterns == self.sealer.key.patterns for key in kept):
            return kept  # the patterns of a key that nobody opened here are unknown
        return [self.sealer.key, *kept]


def begin(session: PushSession, last: Snapshot, accept: bool) -> PushSealing:
    """What this push seals, on top of the snapshot ``last``. Raises ConfigError before anything is done.

    Where ``last`` has something sealed, only ``pacha.seal = no`` with ``accept`` takes that back into the clear:
    ``accept`` alone may be given for other reasons.
    """
    config = session.context.config
    rules = SealRules(config.seal, [watched.path for watched in last.live])
    sealed_entries = _sealed(last.entries)
    sealed = {keyed.key_id(entry.sealed) for entry in sealed_entries.values()}
    if not rules:
        if sealed and not (accept and any(name == "pacha.seal" for name, _ in config.given)):
            raise _not_configured(len(sealed_entries))
        return PushSealing(keys=_known(session, sealed)) if sealed else PushSealing()
    for_whom = recipients.read(config.seal_to)
    known = _known(session, sealed)
    current = next((key for key in known.values() if not key.is_adopted), None)
    if current is None or not current.secret or current.recipients != for_whom.fingerprint:
        if current is not None and current.recipients not in ("", for_whom.fingerprint):
            session.concerns.append(Concern(os.fsencode(config.seal_to or ""), _OTHERS))
        current = keys.make(for_whom, config.seal)
        known = {current.id: current, **known}
        keys.write(session.context.state.path, known)  # before anything is sealed under it
        session.notices += [for_whom.warning] if for_whom.warning else []
    elif current.patterns != config.seal:
        current = keys.sealed_for(current, for_whom, config.seal)
        known = {**known, current.id: current}
        keys.write(session.context.state.path, known)
    return PushSealing(rules=rules, sealer=Sealer(current, for_whom), keys=known)


def _sealed(entries: Mapping[bytes, Entry]) -> dict[bytes, Entry]:
    """The sealed ones of ``entries``, which are not read from pacha.db if none can be."""
    every = entries.items() if may_be_sealed(entries) else ()
    return {path: entry for path, entry in every if entry.sealed is not None}


def _known(session: PushSession, needed: Collection[bytes]) -> dict[bytes, SealKey]:
    """The keys in the state folder, and of the ``needed`` those that only the last snapshot has."""
    known = keys.read(session.context.state.path)
    if set(needed) <= known.keys():
        return known
    try:
        recorded = keys.decode(session.repository(DATABASE).reader(session.state.tip)(SEAL_KEYS.encode("ascii")))
    except DamagedError:  # it has none
        recorded = ()
    return {**known, **{key.id: key for key in recorded if key.id in needed and key.id not in known}}


def as_known(
    sealing: PushSealing, last: Snapshot, fingerprints: Fingerprints
) -> tuple[Mapping[bytes, Entry], Fingerprints]:
    """The entries and fingerprints that the scan compares with; what is not sealed as it should be is read anew."""
    wanted = sealing.rules.wanted(last.entries)
    anew = {
        path: last.entries[path]._replace(sha256=None, sealed=None)
        for path in wanted.union(_sealed(last.entries))
        if not sealing.is_right(last.entries[path], wanted=path in wanted)
    }
    if not anew:
        return last.entries, fingerprints
    return {**last.entries, **anew}, fingerprints.without(anew)


def mark(sealing: PushSealing, scanned: Mapping[bytes, Entry], owed: Collection[bytes]) -> Mapping[bytes, Entry]:
    """``scanned`` with a mark on each entry that is to be sealed; the ``owed`` paths stay as they were recorded."""
    wanted = sealing.rules.wanted(scanned) - set(owed)
    marked = {
        path: entry._replace(sha256=None, sealed=b"", xattrs=keyed.clear(entry.xattrs))
        for path in wanted
        if (entry := scanned[path]).sealed is None
    }
    return {**scanned, **marked} if marked else scanned


def settle(session: PushSession, new: Snapshot, base: Snapshot) -> Snapshot:
    """``new`` with the format and the keys of sealed content; adds a concern if something is no longer sealed."""
    needed = [keyed.key_id(entry.sealed) for entry in _sealed(new.entries).values()]
    now = new.entries
    clear = sorted(
        path for path in _sealed(base.entries) if path in now and now[path].sealed is None and now[path].sha256
    )
    if clear:
        session.concerns.append(Concern(clear[0], _IN_THE_CLEAR.format(count=len(clear))))
    if not needed:
        return new
    sealing = session.sealing
    text = keys.encode(sealing.named(needed))
    session.companions = {**session.companions, SEAL_KEYS: text}
    schema = str(SEALED_SCHEMA)
    return replace(
        new, meta={**new.meta, "schema": schema, "readable_from": schema, **companions.meta({SEAL_KEYS: text})}
    )


def _not_configured(count: int) -> ConfigError:
    return ConfigError(
        f"The last snapshot has {count} sealed paths, and this configuration seals none; nothing was pushed.",
        "they would be in the clear on the master from now on",
        "Set pacha.seal and pacha.seal.to as they were; if that is meant: pacha.seal = no, and pacha push --accept",
        code="seal-not-configured",
    )
