"""Which machine the host was, and which one this is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pacha.fetch.fetched import Fetched
from pacha.machine import facts
from pacha.machine.facts import Facts
from pacha.rebuild import actual_state
from pacha.store.companions import MACHINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """The facts of the machine that was ``recorded``, and of the one that is ``here``."""

    recorded: Facts
    here: Facts


def compare(fetched: Fetched, target: bytes) -> Machines | None:
    """Both machines; None where the snapshot says nothing of its own, or ``target`` is a mere folder.

    Raises DamagedError.
    """
    text = fetched.companions.get(MACHINE)
    if text is None or not actual_state.is_system(target):
        return None
    return Machines(recorded=facts.decode(text), here=facts.collect(Path(os.fsdecode(target or b"/"))))
