"""The options of a rebuild."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from pacha.store.selection import Selection


class AccountPolicy(str, Enum):
    """What happens to files outside the watched paths whose account gets another number."""

    RENUMBER = "renumber"  #: they are re-owned by name
    KEEP = "keep"  #: this machine keeps its numbers; the account files are written to match
    LEAVE = "leave"  #: neither; they are listed


class HardwarePolicy(str, Enum):
    """Whether this machine counts as the one that the host was; see ``machine.policies``."""

    AUTO = "auto"  #: what the snapshot says of its machine decides
    SAME = "same"  #: everything is restored
    OTHER = "other"  #: what is bound to the machine of the host is not


class ServicePolicy(str, Enum):
    """What happens after the files to what obeys them, and to what is made from them."""

    RESTART = "restart"  #: it is tested, made anew and restarted
    LIST = "list"  #: it is listed
    NONE = "none"  #: nothing is said of it


class LabelPolicy(str, Enum):
    """Which labels of SELinux files get, where a policy is in force."""

    POLICY = "policy"  #: those of this machine's policy
    RECORDED = "recorded"  #: those of the snapshot


class PackagePolicy(str, Enum):
    """What happens to the packages of the host that are not installed here."""

    INSTALL = "install"  #: from the host's own sources, in the newest version
    EXACT = "exact"  #: the same, in the recorded version where a source has it
    BY_NAME = "by-name"  #: from this machine's own sources: for another release
    LIST = "list"  #: they are listed, with the commands
    NONE = "none"  #: nothing is said of them

    @property
    def installs(self) -> bool:
        """Whether packages are installed."""
        return self in (PackagePolicy.INSTALL, PackagePolicy.EXACT, PackagePolicy.BY_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerNames:
    """An owner map: the name on this machine for each recorded name."""

    users: Mapping[bytes, bytes] = field(default_factory=dict)
    groups: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The choices of an earlier rebuild, which is not settled, that still apply."""

    keep: tuple[str, ...] = ()
    accounts: AccountPolicy | None = None
    owner_map: bool = False
    hardware: HardwarePolicy | None = None
    packages: PackagePolicy | None = None

    def __bool__(self) -> bool:
        return self != Remembered()


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMaster:
    """A master that a rebuild does not fetch from: its newest snapshot (hex node, "" for none), or why it is not known.

    ``failure`` is safe to print.
    """

    name: str
    tip: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """What the operator chose. ``target`` is absolute, b"" for the original places."""

    target: bytes = b""
    delete: bool = False
    owner_map: Path | None = None
    accounts: AccountPolicy | None = None  #: None: as remembered, else RENUMBER
    keep: tuple[str, ...] = ()  #: patterns of what is never overwritten
    hardware: HardwarePolicy | None = None  #: None: as remembered, else as configured
    hooks: bool = False
    services: ServicePolicy | None = None  #: None: RESTART for a whole machine in its original places, else LIST
    labels: LabelPolicy = LabelPolicy.POLICY
    packages: PackagePolicy | None = None  #: None: as remembered, else LIST, unless a person says otherwise
    at: str = ""  #: which snapshot (WHEN); "": the newest
    asked: Selection = field(default_factory=Selection)  #: which parts of it; empty: all
    wait_seconds: float = 0  #: for another run to end
    signers: str = ""  #: the allowed-signers file to go by; "": the configured one
    by_master: bool = False  #: a master was named: do not use this machine's own history
    others: tuple[OtherMaster, ...] = ()  #: the masters that were not chosen
    owner_names: OwnerNames = field(default_factory=OwnerNames)  #: what ``owner_map`` says, or the one remembered
    remembered: Remembered = field(default_factory=Remembered)

    @property
    def in_place(self) -> bool:
        """Whether this machine's own files are written to."""
        return self.target in (b"", b"/")


DEFAULTS = RebuildOptions()  #: the whole newest snapshot, to its original places
