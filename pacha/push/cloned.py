"""Warn a machine that was cloned from another one, with its state folder: both push under one name.

Otherwise each of them looks to the other like somebody with its key, or like itself set back to an older state.
"""

from __future__ import annotations

import os
import shlex

from pacha.errors import Concern
from pacha.machine.small_files import machine_id
from pacha.push.session import PushSession

_CLONED = (
    "it was last used with another /etc/machine-id. If this machine is a clone, both push as '{host}': "
    "mv {state} {old} and give it its own pacha.hostname and key ('Two machines of one name' in "
    "share/doc/pacha/fleet.rst). If the machine-id was changed on purpose, there is nothing to do; this is said once"
)


def compare_machine_id(session: PushSession) -> None:
    """Add a concern where the state folder remembers another machine-id than this machine's, and remember this one.

    Not for a push that takes a host over. Does nothing if one of the two ids is unknown.
    """
    here, remembered = machine_id(), session.state.machine_id
    if here in ("", remembered):
        return
    if remembered and not session.take_over:
        folder = session.context.state.path
        state, old = shlex.quote(str(folder)), shlex.quote(f"{folder}.old")
        reason = _CLONED.format(host=session.host, state=state, old=old)
        session.tell([Concern(os.fsencode(folder), reason)])
    session.update(machine_id=here)
