"""Concerns about sealing: whoever has the master can show a file unsealed, or offer recipients of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress

from pacha.errors import Concern, ConfigError
from pacha.fetch.fetched import Fetched
from pacha.files.entry import Entry, Kind
from pacha.files.paths import rebase
from pacha.host.context import Context
from pacha.rebuild.options import RebuildOptions
from pacha.restore.plan import Action, Plan
from pacha.sealing.rules import SealRules
from pacha.store import database

_MOST = 20  #: paths that are named one by one
_NOT_SEALED = "is not sealed in the snapshot, though {why}: it is from before that, or a forgery of the master's"
_NONE_SEALED = "nothing is sealed in the snapshot, though an identity was given: it is from before that, or a forgery"
_OWN_WORD = "says for whom this machine seals, which no master decides: it stays as it is here"
_NEW_WORD = "says for whom this machine will seal, and comes from the master: read it before the next push"


def own_word(context: Context, options: RebuildOptions) -> dict[bytes, str]:
    """The file of recipients of this machine, if it is there, and why it stays; nothing below another folder."""
    path = os.fsencode(context.config.seal_to or "")
    return {path: _OWN_WORD} if path and options.in_place and os.path.lexists(path) else {}


def concerns(
    context: Context, clear: Mapping[bytes, str], fetched: Fetched, plan: Plan, options: RebuildOptions
) -> Iterator[Concern]:
    """What a person should know of the seals before anything is changed; ``clear`` as ``unsealed`` has it."""
    paths = sorted(clear.items())
    for path, why in paths[:_MOST]:
        yield Concern(rebase(path, options.target), _NOT_SEALED.format(why=why))
    if len(paths) > _MOST:
        rest = f"and {len(paths) - _MOST} more are not sealed in the snapshot"
        yield Concern(rebase(paths[_MOST][0], options.target), rest)
    if options.identities and not fetched.shut and not fetched.sealed and not options.asked:
        yield Concern(rebase(fetched.snapshot.live[0].path, options.target), _NONE_SEALED)
    word = os.fsencode(context.config.seal_to or "")
    for step in plan.steps:
        if word and step.path == word and step.action is Action.WITHHELD:
            yield Concern(word, _OWN_WORD)
        elif word and step.path == word and step.action in (Action.CREATE, Action.REPLACE):
            yield Concern(word, _NEW_WORD)


def unsealed(context: Context, host: str, fetched: Fetched) -> dict[bytes, str]:
    """The paths that are in the clear but should be sealed, as this machine knows, each with how it knows that.

    This machine's own file there may be secret.
    """
    return dict(_unsealed(context, host, fetched))


def _unsealed(context: Context, host: str, fetched: Fetched) -> Iterator[tuple[bytes, str]]:
    entries = fetched.recorded.entries
    rules = SealRules(context.config.seal, [watched.path for watched in fetched.snapshot.live])
    wanted = rules.wanted(entries)
    host_says = _wanted_by_host(fetched, entries)
    own = database.read(context.state.database, sealed=True)
    remembered = own.entries if own.host == host else {}
    for path, entry in entries.items():
        if entry.kind is not Kind.FILE or entry.sealed is not None:
            continue
        if path in wanted:
            yield path, "pacha.seal says so here"
        elif path in host_says:
            yield path, "the host seals it, by the sealed word beside its key"
        elif path in remembered:
            yield path, "this machine sealed it at its last push"


def _wanted_by_host(fetched: Fetched, entries: Mapping[bytes, Entry]) -> set[bytes]:
    """The paths that should be sealed, by any of the host's keys that an identity opened.

    Not by the newest key alone: a master can add a newer one of its own.
    """
    roots, wanted = [watched.path for watched in fetched.snapshot.live], set[bytes]()
    for key in fetched.seal_keys.values():
        with suppress(ConfigError):  # invalid patterns
            wanted |= SealRules(key.patterns, roots).wanted(entries)
    return wanted
