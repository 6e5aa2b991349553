"""The state of this machine as typed values (see ``state_json`` for their form on disk)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pacha.errors import Concern
from pacha.files.names import DATABASE

LONGEST = 10_000  #: patterns, and names of an owner map, that are remembered of a rebuild
POLICIES = ("", "renumber", "keep", "leave")  #: the words of rebuild.options.AccountPolicy
HARDWARE = ("", "auto", "same", "other")  #: those of HardwarePolicy
PACKAGES = ("", "install", "exact", "by-name")  #: those of PackagePolicy that install


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterState:
    """One master after the last push, and the last attempt to push to it. Times are seconds since the epoch, 0: never.

    ``changelog`` and ``contents``: the sha256 (hex) of the changelogs of ``db`` and, by repository, of the others;
    None where it is unknown. ``sent``: by repository, the newest node that the master has. ``failure``: why the last
    attempt failed. ``purged``: the sha256 of its record of purges as this machine last followed it, None for none;
    ``lacks_purges``: another master has purges that this one does not have.
    """

    changelog: str | None = None
    contents: Mapping[str, str | None] | None = None
    sent: Mapping[str, str] = field(default_factory=dict)
    tried: float = 0.0
    succeeded: float = 0.0
    failure: str = ""
    purged: str | None = None
    lacks_purges: bool = False
    unknown: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The last statement of a host that this machine signed or accepted: its counter, and the sha256 (hex) of its text.

    ``tip``: its snapshot (node); ``key``: the fingerprint of the key that signed it.
    """

    counter: int
    digest: str
    tip: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renumbering:
    """The accounts whose ids a rebuild changes (old id -> new)."""

    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphans:
    """Files of an account that the restored account files do not have; they have its ``number`` now.

    ``paths`` are the first few of ``count``; ``target``: the root of another machine that they are below.
    """

    name: bytes
    is_group: bool
    number: int
    count: int
    paths: tuple[bytes, ...]
    target: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildChoices:
    """The options of a rebuild that is not settled.

    ``keep``: patterns; ``accounts``, ``hardware``, ``packages``: the word of the policy, "" for the usual one, or
    without an unfinished installation; ``users``, ``groups``: by recorded name, the name here.
    """

    keep: tuple[str, ...] = ()
    accounts: str = ""
    hardware: str = ""
    packages: str = ""
    users: Mapping[bytes, bytes] = field(default_factory=dict)
    groups: Mapping[bytes, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """The state of this machine: its identity, its masters, its last push and its last rebuild.

    ``version``: of the Pacha that wrote it last; ``machine``: this machine's id; ``machine_id``: its machine-id(5) at
    the last push or adoption, "" where there was none. ``hostname``: the name that it adopted; ``config``: the path of
    its configuration.
    ``tip``: the node of the last snapshot here; ``made``: a node and its time; ``history``: the size in bytes of the
    local ``db``'s changelog; ``pending``: whether pacha.db may be newer than the tip.
    ``tried``, ``succeeded`` (seconds since the epoch, 0: never), ``failure``, ``cure`` and ``concerns``: of the last
    push; ``untold``: concerns of an interrupted push, which the next one tells. ``masters``: by name; ``greeted``: the
    labels of those where Pacha answers.
    ``owed``: by path, the mark of each that a rebuild could not restore (see ``host.owed``); ``services_owed``: the
    configurations (paths) and units that failed after the files of the last one; ``accepted``: the ids of
    interrupted rebuilds that are left as they are; ``moving``: the accounts that an interrupted rebuild renumbered;
    ``moving_below``: the same by target, for rebuilds onto the root of another machine; ``orphans``: files of accounts
    that are gone; ``mounted``: the mount points that the last scan met; ``choices``: by host, the options of a rebuild
    that is not settled; ``reread``: paths whose recorded content was purged, which the next push records anew.
    ``stated``: by host, its last signed statement.
    ``staging``, ``staging_before``, ``staging_left``: the staging directory, and those that could not be removed.
    """

    version: str = field(default="", compare=False)
    machine: str = ""
    machine_id: str = ""
    hostname: str = ""
    config: str = ""
    tip: str = ""
    made: tuple[str, float] | None = None
    history: int = 0
    pending: bool = False
    tried: float = 0.0
    succeeded: float = 0.0
    failure: str = ""
    cure: str = ""
    concerns: tuple[Concern, ...] = ()
    untold: tuple[Concern, ...] = ()
    masters: Mapping[str, MasterState] = field(default_factory=dict)
    greeted: tuple[str, ...] = ()
    owed: Mapping[bytes, str] = field(default_factory=dict)
    services_owed: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    moving: Renumbering | None = None
    choices: Mapping[str, RebuildChoices] = field(default_factory=dict)
    moving_below: Mapping[bytes, Renumbering] = field(default_factory=dict)
    orphans: tuple[Orphans, ...] = ()
    mounted: tuple[bytes, ...] = ()
    reread: tuple[bytes, ...] = ()
    stated: Mapping[str, Stated] = field(default_factory=dict)
    staging: str = ""
    staging_before: str = ""
    staging_left: tuple[str, ...] = ()
    unknown: Mapping[str, object] = field(default_factory=dict)

    def remembers(self, tip: str) -> bool:
        """Whether this machine made or adopted the snapshot ``tip``, by its own memory, not by the snapshot."""
        sent = [master.sent.get(DATABASE) for master in self.masters.values()]
        return tip in (self.tip, (self.made or ("", 0.0))[0], *sent)
