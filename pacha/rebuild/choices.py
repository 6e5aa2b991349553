"""The choices of a rebuild, remembered until it is settled: it may bring back the configuration that made them."""

from __future__ import annotations

import os
from dataclasses import replace

from pacha.host.context import Context
from pacha.rebuild import accounts, partial
from pacha.rebuild.options import AccountPolicy, OwnerNames, RebuildOptions, Remembered
from pacha.rebuild.result import Rebuilt
from pacha.restore.journal import Journal, interrupted
from pacha.restore.journal_records import Part
from pacha.store.host_state import HostState, RebuildChoices


def with_remembered(context: Context, host: str, options: RebuildOptions) -> RebuildOptions:
    """``options``, with what an earlier rebuild of ``host`` that is not settled chose where they choose nothing else.

    What it kept is kept beside what the configuration keeps now. Raises UsageError for an owner map that is none.
    """
    before = _before(context.state.read(), host, options)
    policy, names = options.accounts, _given(options)
    kept = tuple(pattern for pattern in before.keep if pattern not in options.keep)
    remembered = Remembered(
        keep=kept,
        accounts=AccountPolicy(before.accounts) if before.accounts and policy is None else None,
        owner_map=names is None and bool(before.users or before.groups),
    )
    return replace(
        options,
        keep=(*options.keep, *kept),
        accounts=policy or remembered.accounts or AccountPolicy.RENUMBER,
        owner_names=names or OwnerNames(users=before.users, groups=before.groups),
        remembered=remembered,
    )


def remember(context: Context, host: str, options: RebuildOptions) -> HostState:
    """Remember the choices that ``options`` (complete by now) make; returns the state before that."""
    state = context.state.read()
    if options.in_place:
        names, policy = options.owner_names, options.accounts or AccountPolicy.RENUMBER
        other = "" if policy is AccountPolicy.RENUMBER else policy.value
        chosen = RebuildChoices(
            host=host, keep=options.keep, accounts=other, users=names.users, groups=names.groups
        )  # fmt: skip
        _set(context, chosen if chosen != RebuildChoices(host=host) else None)
    return state


def take_back(context: Context, before: HostState) -> None:
    """What was remembered ``before`` a rebuild that has changed nothing."""
    _set(context, before.choices)


def settle(context: Context, options: RebuildOptions, before: HostState, rebuilt: Rebuilt) -> None:
    """Forget the choices if nothing is left to do. A part settles what it resumes, and what was owed ``before``."""
    if not options.in_place or rebuilt.concerns or context.state.read().owed:
        return
    resumes = bool(before.owed or rebuilt.proposal.carries_on)
    whole = not partial.is_partial(options) or before.choices is None or resumes
    if whole and not interrupted(os.fsencode(context.state.path)):
        _set(context, None)


def give_up(context: Context, undone: Journal) -> None:
    """Forget the choices of the rebuild that was ``undone``: that of a part leaves those of the whole."""
    state = context.state.read()
    is_part = any(isinstance(record, Part) for record in undone.records)
    if undone.target in (b"", b"/") and not (is_part and state.owed):
        _set(context, None)


def _before(state: HostState, host: str, options: RebuildOptions) -> RebuildChoices:
    counts = state.choices is not None and state.choices.host == host and options.in_place
    return state.choices if counts and state.choices is not None else RebuildChoices(host=host)


def _given(options: RebuildOptions) -> OwnerNames | None:
    if options.owner_map is None:
        return None
    users, groups = accounts.read_map(options.owner_map)
    return OwnerNames(users=users, groups=groups)


def _set(context: Context, chosen: RebuildChoices | None) -> None:
    if context.state.read().choices != chosen:
        context.state.update(choices=chosen)
