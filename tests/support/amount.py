"""How much of a test is run: a sample in every run, all of it with ``tests/run --soak``."""

from __future__ import annotations

import os


def amount(variable: str, *, sample: float, soak: float) -> float:
    """How often, or how long: what the environment's ``variable`` says, else ``soak`` or a ``sample``."""
    given = os.environ.get(variable)
    return float(given) if given else soak if is_soak() else sample


def is_soak() -> bool:
    """Whether everything is to be run, however long it takes."""
    return bool(os.environ.get("PACHA_SOAK"))
