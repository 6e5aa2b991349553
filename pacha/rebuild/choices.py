"""Remember the choices of a rebuild until it is settled: it may overwrite the configuration that made them."""

from __future__ import annotations

import os
from dataclasses import replace

from pacha.host.context import Context
from pacha.rebuild import accounts, partial
from pacha.rebuild.options import AccountPolicy, HardwarePolicy, OwnerNames, PackagePolicy, RebuildOptions, Remembered
from pacha.rebuild.result import Rebuilt
from pacha.restore.journal import Journal, interrupted
from pacha.restore.journal_records import Part
from pacha.store.host_state import HostState, RebuildChoices


def with_remembered(context: Context, host: str, options: RebuildOptions) -> RebuildOptions:
    """``options``, completed with the choices of an earlier rebuild of ``host`` that is not settled.

    Its patterns of what to keep are added to today's. Raises UsageError for an invalid owner map.
    """
    before = context.state.read().choices.get(host, RebuildChoices())
    earlier = before if options.in_place else RebuildChoices()
    policy, names = options.accounts, _given(options)
    patterns = tuple(pattern for pattern in earlier.keep if pattern not in options.keep)
    remembered = Remembered(
        keep=patterns,
        accounts=AccountPolicy(earlier.accounts) if earlier.accounts and policy is None else None,
        owner_map=names is None and bool(earlier.users or earlier.groups),
        hardware=HardwarePolicy(earlier.hardware) if earlier.hardware and options.hardware is None else None,
        packages=PackagePolicy(earlier.packages) if earlier.packages and options.packages is None else None,
    )
    return replace(
        options,
        keep=(*options.keep, *patterns),
        accounts=policy or remembered.accounts or AccountPolicy.RENUMBER,
        hardware=options.hardware or remembered.hardware or HardwarePolicy(context.config.rebuild_hardware),
        packages=options.packages or remembered.packages,
        owner_names=names or OwnerNames(users=earlier.users, groups=earlier.groups),
        remembered=remembered,
    )


def remember(context: Context, host: str, options: RebuildOptions, installs: PackagePolicy | None = None) -> HostState:
    """Remember the choices in ``options``, which are complete; returns the state before.

    ``installs``: how packages are being installed; None if they are not.
    """
    state = context.state.read()
    if options.in_place:
        names, policy = options.owner_names, options.accounts or AccountPolicy.RENUMBER
        account_policy = "" if policy is AccountPolicy.RENUMBER else policy.value
        hardware = options.hardware or HardwarePolicy.AUTO
        chosen = RebuildChoices(
            keep=options.keep, accounts=account_policy, users=names.users, groups=names.groups,
            hardware="" if hardware is HardwarePolicy.AUTO else hardware.value,
            packages=installs.value if installs else "",
        )  # fmt: skip
        _set(context, host, chosen)
    return state


def installed(context: Context, host: str) -> None:
    """Forget how packages were being installed: that is over."""
    chosen = context.state.read().choices.get(host, RebuildChoices())
    _set(context, host, replace(chosen, packages=""))


def take_back(context: Context, host: str, before: HostState) -> None:
    """Restore the choices of ``before``, as the rebuild has changed nothing."""
    _set(context, host, before.choices.get(host, RebuildChoices()))


def settle(context: Context, options: RebuildOptions, before: HostState, rebuilt: Rebuilt) -> None:
    """Forget the choices if nothing is left to do. A partial rebuild settles what it resumes or what was owed."""
    if not options.in_place or rebuilt.concerns or context.state.read().owed:
        return
    resumes = bool(before.owed or rebuilt.proposal.resumes)
    whole = not partial.is_partial(options) or rebuilt.proposal.host not in before.choices or resumes
    if whole and not interrupted(os.fsencode(context.state.path)):
        _set(context, rebuilt.proposal.host, RebuildChoices())


def give_up(context: Context, host: str, undone: Journal) -> None:
    """Forget the choices of the rebuild that was ``undone``. A partial one leaves those of a full rebuild."""
    state = context.state.read()
    is_part = any(isinstance(record, Part) for record in undone.records)
    if undone.target in (b"", b"/") and not (is_part and state.owed):
        _set(context, host, RebuildChoices())


def _given(options: RebuildOptions) -> OwnerNames | None:
    if options.owner_map is None:
        return None
    users, groups = accounts.read_map(options.owner_map)
    return OwnerNames(users=users, groups=groups)


def _set(context: Context, host: str, chosen: RebuildChoices) -> None:
    before = context.state.read().choices
    others = {other: choices for other, choices in before.items() if other != host}
    after = others | ({host: chosen} if chosen != RebuildChoices() else {})
    if after != before:
        context.state.update(choices=after)
