"""Recognise that this machine is in use as another host than the one to be rebuilt on it."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.host.context import Context
from pacha.rebuild import adoption
from pacha.rebuild.options import RebuildOptions
from pacha.store import database


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingMachine:
    """This machine, which is another host than the one to be rebuilt on it.

    ``name``: the host as which it pushes (not yet safe to print); ``masters``: where it pushed to; ``pushed``: when it
    last did (seconds since the epoch, 0: never); ``watched``: absolute paths; ``becomes``: whether the rebuild would
    make it the rebuilt host.
    """

    name: str
    masters: tuple[str, ...] = ()
    pushed: float = 0.0
    watched: tuple[bytes, ...] = ()
    becomes: bool = False


def living_machine(context: Context, host: str, options: RebuildOptions) -> LivingMachine | None:
    """This machine, if a rebuild of ``host`` would overwrite another host. Raises PachaError.

    None for a new machine, for ``host`` itself, and below a target, where nothing of this machine is overwritten.
    """
    if not options.in_place:
        return None
    own = database.read(context.state.database, whole=False)
    state, configured = context.state.read(), context.config.hostname
    becomes = adoption.may_adopt(context, host)
    if own.host == host or (becomes and configured in (None, host)):
        return None
    return LivingMachine(
        name=own.host or context.hostname(),
        masters=tuple(sorted(name for name, master in state.masters.items() if master.succeeded)),
        pushed=state.succeeded,
        watched=tuple(watched.path for watched in own.live),
        becomes=becomes,
    )
