"""What the state folder remembers, as typed values, and their form in memory.json.

A field has the name of its key in the file; one that has its default is not written. A key that is not known here is
a later Pacha's: it stays as it is, but for those of a master, which a push to that master writes anew. What a hand has
edited is checked once, when the file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pacha.errors import Concern
from pacha.text import printable

_LATEST = 1e11  #: seconds since the epoch; no clock that Pacha could have read goes on for so long


class _InvalidValue(ValueError):
    """A value that Pacha does not write; the text names its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterState:
    """How one master was left, and the last try to push to it. Times are seconds since the epoch, 0 for never.

    ``changelog`` and ``contents``: the sha256 (hex) of the changelogs of ``db`` and, by repository, of the others;
    None where nobody looked. ``sent``: by repository, the newest node that it has. ``failure``: what hindered the
    last try.
    """

    changelog: str | None = None
    contents: Mapping[str, str | None] | None = None
    sent: Mapping[str, str] = field(default_factory=dict)
    tried: float = 0.0
    succeeded: float = 0.0
    failure: str = ""
    unknown: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renumbering:
    """The accounts whose numbers a rebuild changes (old number -> new)."""

    users: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What this machine remembers of itself, its masters, its last push and its last rebuild.

    ``machine``: its id; ``hostname``: the name that it adopted; ``config``: where its configuration is.
    ``tip``: the node of the last snapshot here; ``made``: a node and when it was made; ``history``: how many bytes our
    own ``db``'s changelog had; ``pending``: whether pacha.db may say more than the tip.
    ``tried``, ``succeeded`` (seconds since the epoch, 0 for never), ``failure``, ``cure`` and ``concerns``: of the last
    push. ``masters``: by name; ``greeted``: the labels of those where Pacha answers.
    ``owed``: by path, the mark of each that a rebuild could not restore (see ``host.owed``); ``accepted``: the ids of
    interrupted rebuilds that are left as they are; ``moving``: the accounts that one was renumbering.
    ``staging``, ``staging_before``, ``staging_left``: folders that a rebuild fetches to, and that could not be removed.
    """

    machine: str = ""
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
    masters: Mapping[str, MasterState] = field(default_factory=dict)
    greeted: tuple[str, ...] = ()
    owed: Mapping[bytes, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    moving: Renumbering | None = None
    staging: str = ""
    staging_before: str = ""
    staging_left: tuple[str, ...] = ()
    unknown: Mapping[str, object] = field(default_factory=dict)


def decode(loaded: Mapping[str, Any]) -> HostState:
    """The state that an object of JSON says. Raises ValueError, naming the key, for what Pacha does not write."""
    return _decode(HostState, loaded, _HOST)


def encode(state: HostState) -> dict[str, object]:
    """``state`` as an object of JSON."""
    encoded = _encode(state, HostState(), _HOST)
    encoders: dict[str, Callable[[Any], object]] = {
        "concerns": lambda concerns: [[concern.path.hex(), concern.reason] for concern in concerns],
        "masters": lambda masters: {name: _encode(one, MasterState(), _MASTER) for name, one in masters.items()},
        "owed": lambda owed: {path.hex(): mark for path, mark in owed.items()},
        "moving": lambda moving: {"users": moving.users, "groups": moving.groups},
    }
    return {key: encoders[key](value) if key in encoders else value for key, value in encoded.items()}


_T = TypeVar("_T", HostState, MasterState)
_Decoders = Mapping[str, Callable[[Any], Any]]


def _decode(kind: type[_T], loaded: Mapping[str, Any], decoders: _Decoders) -> _T:
    values: dict[str, Any] = {}
    for key, value in loaded.items():
        if isinstance(value, float) and not -_LATEST < value < _LATEST:
            raise _InvalidValue(f"its {key!r} is not a number that can be: {value}")
        if key in decoders:
            try:
                values[key] = decoders[key](value)
            except _InvalidValue:
                raise
            except (TypeError, AttributeError, ValueError, OverflowError):
                raise _InvalidValue(f"its {key!r} is of another kind: {str(value)[:40]!r}") from None
    return kind(**values, unknown={key: value for key, value in loaded.items() if key not in decoders})


def _encode(state: HostState | MasterState, default: HostState | MasterState, known: _Decoders) -> dict[str, Any]:
    values = {key: getattr(state, key) for key in known}
    return {**state.unknown, **{key: value for key, value in values.items() if value != getattr(default, key)}}


def _of(*kinds: type) -> Callable[[Any], Any]:
    """A decoder that takes a value of one of ``kinds`` as it is."""

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
        raise ValueError("no clock says so")
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


def _renumbering(value: object) -> Renumbering:
    numbers = {kind: {int(old): int(new) for old, new in of.items()} for kind, of in _of(dict)(value).items()}
    return Renumbering(users=numbers.get("users", {}), groups=numbers.get("groups", {}))


def _masters(values: object) -> dict[str, MasterState]:
    return {name: _master(name, value) for name, value in _of(dict)(values).items()}


def _master(name: str, value: object) -> MasterState:
    if not isinstance(value, dict):
        raise _InvalidValue(f"what it has of {name!r} is of another kind")
    return _decode(MasterState, value, _MASTER)


_MASTER: _Decoders = {
    "changelog": _of(str, type(None)),
    "contents": _by_name(_of(str, type(None))),
    "sent": _by_name(_text),
    **dict.fromkeys(["tried", "succeeded"], _seconds),
    "failure": _shown,
}
_HOST: _Decoders = {
    **dict.fromkeys(["machine", "hostname", "config", "tip", "staging", "staging_before"], _text),
    **dict.fromkeys(["failure", "cure"], _shown),
    **dict.fromkeys(["tried", "succeeded"], _seconds),
    **dict.fromkeys(["greeted", "accepted", "staging_left"], _texts),
    "history": _of(int),
    "pending": bool,
    "made": _made,
    "concerns": _concerns,
    "masters": _masters,
    "owed": _owed,
    "moving": _renumbering,
}
