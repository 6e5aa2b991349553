"""The options of a rebuild."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pacha.store.selection import Selection


class AccountPolicy(str, Enum):
    """What becomes of files outside the watched paths whose account gets another number."""

    RENUMBER = "renumber"  #: they are re-owned by name
    KEEP = "keep"  #: this machine keeps its numbers; the account files are written to match
    LEAVE = "leave"  #: neither; they are named


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """What the operator chose. ``target`` (absolute bytes, b"" for the original paths)."""

    target: bytes = b""
    delete: bool = False
    owner_map: Path | None = None
    accounts: AccountPolicy = AccountPolicy.RENUMBER
    keep: tuple[str, ...] = ()  #: patterns of what is never overwritten
    hooks: bool = False
    at: str = ""  #: which snapshot (WHEN); the newest
    asked: Selection = field(default_factory=Selection)  #: which parts of it; all of it
    wait_seconds: float = 0  #: for another run to end
    by_master: bool = False  #: a master was named: this machine's own history is not what is asked for


DEFAULTS = RebuildOptions()  #: the whole newest snapshot, to its original places
