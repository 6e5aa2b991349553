"""Whether this machine is another living host than the one that is rebuilt on it."""

from __future__ import annotations

from dataclasses import dataclass

from pacha.host.context import Context
from pacha.rebuild import adoption
from pacha.rebuild.options import RebuildOptions
from pacha.store import database


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingMachine:
    """What this machine is, where that is not the host that is rebuilt on it.

    ``name``: it pushes as that (str, not yet safe to print); ``masters``: those that it pushed to; ``pushed``: when it
    last did (seconds since the epoch, 0 for never); ``watched``: absolute paths; ``becomes``: whether the rebuild would
    make it the host.
    """

    name: str
    masters: tuple[str, ...] = ()
    pushed: float = 0.0
    watched: tuple[bytes, ...] = ()
    becomes: bool = False


def living_machine(context: Context, host: str, options: RebuildOptions) -> LivingMachine | None:
    """This machine, if a rebuild of ``host`` would write over another host; None for a fresh one, and for ``host``.

    Below a target nothing of this machine is at stake. Raises PachaError.
    """
    if not options.in_place:
        return None
    own, state, named = database.read(context.state.database), context.state.read(), context.config.hostname
    becomes = adoption.may_adopt(context, host)
    if own.host == host or (becomes and named in (None, host)):
        return None
    return LivingMachine(
        name=own.host or context.hostname(),
        masters=tuple(sorted(name for name, master in state.masters.items() if master.succeeded)),
        pushed=state.succeeded,
        watched=tuple(one.path for one in own.live),
        becomes=becomes,
    )
