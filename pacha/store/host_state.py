"""The state of this machine as typed values, and their form in memory.json.

A field has the name of its key in the file; a default is not written. An unknown key comes from a later Pacha and
stays as it is, but for a master's, which the next push to that master drops. The file may have been edited by hand: it
is checked once, when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pacha.errors import Concern
from pacha.files.names import DATABASE
from pacha.system.signed_text import MOST_COUNTER
from pacha.text import printable

_LATEST = 1e11  #: seconds since the epoch; no clock shows a later time
_MOST_HOSTS = 100  #: so many hosts that were rebuilt here and are not settled
_MOST_STATED = 10_000  #: hosts of which a statement is remembered
LONGEST = 10_000  #: so many patterns, and names of an owner map, are remembered of a rebuild
POLICIES = ("", "renumber", "keep", "leave")  #: the words of rebuild.options.AccountPolicy
HARDWARE = ("", "auto", "same", "other")  #: those of HardwarePolicy
PACKAGES = ("", "install", "exact", "by-name")  #: those of PackagePolicy that install


class _InvalidValue(ValueError):
    """Pacha never writes such a value; the text names its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterState:
    """One master after the last push, and the last attempt to push to it. Times are seconds since the epoch, 0: never.

    ``changelog`` and ``contents``: the sha256 (hex) of the changelogs of ``db`` and, by repository, of the others;
    None where it is unknown. ``sent``: by repository, the newest node that the master has. ``failure``: why the last
    attempt failed. ``purged``: the sha256 of its record of what was purged, which this machine has followed, None for
    none; ``lacks_purges``: it lacks some that another master has.
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
    """The last statement of a host that this machine made or accepted: its counter, and the sha256 (hex) of its text.

    ``tip``: the snapshot (node) that has it; ``key``: the fingerprint of the key that signed it.
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
    """What is kept for an account that is missing in the restored account files: its files have the ``number`` now.

    ``paths`` are the first few of ``count``; ``target``: below the root of another machine.
    """

    name: bytes
    is_group: bool
    number: int
    count: int
    paths: tuple[bytes, ...]
    target: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildChoices:
    """What a rebuild that is not settled was told.

    ``keep``: patterns; ``accounts``, ``hardware``, ``packages``: the word of the policy, "" for the usual one, or where
    no installation is under way; ``users``, ``groups``: the name here for a recorded name.
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
        """Whether this machine made the snapshot ``tip``, or adopted it: not what a snapshot says of itself."""
        sent = [master.sent.get(DATABASE) for master in self.masters.values()]
        return tip in (self.tip, (self.made or ("", 0.0))[0], *sent)


def decode(loaded: Mapping[str, Any]) -> HostState:
    """The state in a JSON object. Raises ValueError, naming the key, for a value that Pacha never writes."""
    return _decode(HostState, loaded, _HOST)


def encode(state: HostState) -> dict[str, object]:
    """``state`` as a JSON object."""
    encoded = _encode(state, HostState(), _HOST)
    encoders: dict[str, Callable[[Any], object]] = {
        **dict.fromkeys(["concerns", "untold"], _encode_concerns),
        "masters": lambda masters: {name: _encode(known, MasterState(), _MASTER) for name, known in masters.items()},
        "owed": lambda owed: {path.hex(): mark for path, mark in owed.items()},
        **dict.fromkeys(["mounted", "reread"], lambda paths: [path.hex() for path in paths]),
        "orphans": lambda orphans: [_encode_orphans(of_one) for of_one in orphans],
        "moving": _encode_renumbering,
        "moving_below": lambda below: {target.hex(): _encode_renumbering(moving) for target, moving in below.items()},
        "stated": lambda stated: {host: [of.counter, of.digest, of.tip, of.key] for host, of in stated.items()},
        "choices": lambda choices: {host: _encode_choices(chosen) for host, chosen in choices.items()},
    }
    return {key: encoders[key](value) if key in encoders else value for key, value in encoded.items()}


def _encode_choices(choices: RebuildChoices) -> dict[str, object]:
    names = {"users": choices.users, "groups": choices.groups}
    hexadecimal = {key: {old.hex(): new.hex() for old, new in of.items()} for key, of in names.items()}
    words = {key: word for key, word in (("hardware", choices.hardware), ("packages", choices.packages)) if word}
    return {"keep": choices.keep, "accounts": choices.accounts, **words, **hexadecimal}


def _encode_renumbering(moving: Renumbering) -> dict[str, Mapping[int, int]]:
    return {"users": moving.users, "groups": moving.groups}


def _encode_orphans(orphans: Orphans) -> list[object]:
    paths = [path.hex() for path in orphans.paths]
    return [orphans.name.hex(), orphans.is_group, orphans.number, orphans.count, paths, orphans.target.hex()]


def _encode_concerns(concerns: tuple[Concern, ...]) -> list[list[str]]:
    return [[concern.path.hex(), concern.reason] for concern in concerns]


_T = TypeVar("_T", HostState, MasterState)
_Decoders = Mapping[str, Callable[[Any], Any]]


def _decode(kind: type[_T], loaded: Mapping[str, Any], decoders: _Decoders) -> _T:
    values: dict[str, Any] = {}
    for key, value in loaded.items():
        if isinstance(value, float) and not -_LATEST < value < _LATEST:
            raise _InvalidValue(f"its {key!r} is out of range: {value}")
        if key in decoders:
            try:
                values[key] = decoders[key](value)
            except _InvalidValue:
                raise
            except (TypeError, AttributeError, ValueError, OverflowError):
                raise _InvalidValue(f"its {key!r} has the wrong type: {str(value)[:40]!r}") from None
    return kind(**values, unknown={key: value for key, value in loaded.items() if key not in decoders})


def _encode(state: HostState | MasterState, default: HostState | MasterState, known: _Decoders) -> dict[str, Any]:
    values = {key: getattr(state, key) for key in known}
    return {**state.unknown, **{key: value for key, value in values.items() if value != getattr(default, key)}}


def _of(*kinds: type) -> Callable[[Any], Any]:
    """A decoder that returns a value of one of ``kinds`` unchanged."""

    def check(value: object) -> object:
        if not isinstance(value, kinds):
            raise TypeError
        return value

    return check


_text = _of(str)


def _shown(value: object) -> str:
    return printable(_text(value))


def _seconds(value: object) -> float:
    seconds = float(_of(int, float)(value))
    if not -_LATEST < seconds < _LATEST:  # written back as a float, it could not be read again
        raise ValueError("out of range")
    return seconds


def _texts(values: object) -> tuple[str, ...]:
    return tuple(_text(value) for value in _of(list)(values))


def _by_name(decode_value: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    return lambda values: {name: decode_value(value) for name, value in _of(dict)(values).items()}


def _made(value: object) -> tuple[str, float] | None:
    if not _of(list)(value):
        return None
    node, at = _of(list)(value)
    return _text(node), _seconds(at)


def _concerns(values: object) -> tuple[Concern, ...]:
    return tuple(Concern(bytes.fromhex(path), _text(reason)) for path, reason in _of(list)(values))


def _owed(values: object) -> dict[bytes, str]:
    return {bytes.fromhex(path): _text(mark) for path, mark in _of(dict)(values).items()}


def _paths(values: object) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(path) for path in _texts(values))


def _renumbering(value: object) -> Renumbering:
    numbers = {kind: {int(old): int(new) for old, new in of.items()} for kind, of in _of(dict)(value).items()}
    return Renumbering(users=numbers.get("users", {}), groups=numbers.get("groups", {}))


def _choices(value: object) -> RebuildChoices:
    choices = _of(dict)(value)
    accounts, keep = _text(choices.get("accounts", "")), _texts(choices.get("keep", []))
    hardware, packages = _text(choices.get("hardware", "")), _text(choices.get("packages", ""))
    is_known = accounts in POLICIES and hardware in HARDWARE and packages in PACKAGES
    if not is_known or len(keep) > LONGEST:
        raise ValueError
    users, groups = (_names(choices.get(key, {})) for key in ("users", "groups"))
    return RebuildChoices(
        keep=keep, accounts=accounts, hardware=hardware, packages=packages, users=users, groups=groups
    )


def _choices_by_host(values: object) -> dict[str, RebuildChoices]:
    if len(_of(dict)(values)) > _MOST_HOSTS:
        raise ValueError
    return {_text(host): _choices(chosen) for host, chosen in _of(dict)(values).items()}


def _stated(values: object) -> dict[str, Stated]:
    if len(_of(dict)(values)) > _MOST_STATED:
        raise ValueError
    return {_text(host): _stated_one(*_of(list)(value)) for host, value in _of(dict)(values).items()}


def _stated_one(counter: int, digest: str, tip: str, key: str) -> Stated:
    if not 0 <= _of(int)(counter) <= MOST_COUNTER:
        raise ValueError
    return Stated(counter=counter, digest=_text(digest), tip=_text(tip), key=_text(key))


def _names(values: object) -> dict[bytes, bytes]:
    names = {bytes.fromhex(old): bytes.fromhex(new) for old, new in _of(dict)(values).items()}
    if len(names) > LONGEST:
        raise ValueError
    return names


def _renumberings(values: object) -> dict[bytes, Renumbering]:
    return {bytes.fromhex(target): _renumbering(value) for target, value in _of(dict)(values).items()}


def _orphans(values: object) -> tuple[Orphans, ...]:
    return tuple(_one_orphans(*_of(list)(value)) for value in _of(list)(values))


def _one_orphans(name: str, is_group: bool, number: int, count: int, paths: list[str], target: str) -> Orphans:
    return Orphans(
        name=bytes.fromhex(name), is_group=_of(bool)(is_group), number=_of(int)(number), count=_of(int)(count),
        paths=tuple(bytes.fromhex(path) for path in _of(list)(paths)), target=bytes.fromhex(target),
    )  # fmt: skip


def _masters(values: object) -> dict[str, MasterState]:
    return {name: _master(name, value) for name, value in _of(dict)(values).items()}


def _master(name: str, value: object) -> MasterState:
    if not isinstance(value, dict):
        raise _InvalidValue(f"its master {name!r} has the wrong type")
    return _decode(MasterState, value, _MASTER)


_MASTER: _Decoders = {
    "changelog": _of(str, type(None)),
    "contents": _by_name(_of(str, type(None))),
    "sent": _by_name(_text),
    **dict.fromkeys(["tried", "succeeded"], _seconds),
    "failure": _shown,
    "purged": _of(str, type(None)),
    "lacks_purges": bool,
}
_HOST: _Decoders = {
    **dict.fromkeys(["version", "machine", "machine_id", "hostname", "config", "tip"], _text),
    **dict.fromkeys(["staging", "staging_before"], _text),
    **dict.fromkeys(["failure", "cure"], _shown),
    **dict.fromkeys(["tried", "succeeded"], _seconds),
    **dict.fromkeys(["greeted", "accepted", "services_owed", "staging_left"], _texts),
    "history": _of(int),
    "pending": bool,
    "made": _made,
    **dict.fromkeys(["concerns", "untold"], _concerns),
    "masters": _masters,
    "owed": _owed,
    "moving": _renumbering,
    "choices": _choices_by_host,
    "stated": _stated,
    "moving_below": _renumberings,
    "orphans": _orphans,
    **dict.fromkeys(["mounted", "reread"], _paths),
}
