"""The state of this machine (``host_state``) in its form in memory.json.

A field has the name of its key in the file; a default is not written. An unknown key comes from a later Pacha and
stays as it is, but for a master's, which the next push to that master drops. The file may have been edited by hand: it
is checked once, when it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pacha.errors import Concern
from pacha.store.host_state import (
    HARDWARE,
    LONGEST,
    PACKAGES,
    POLICIES,
    HostState,
    MasterState,
    Orphans,
    RebuildChoices,
    Renumbering,
    Stated,
)
from pacha.system.signed_text import MOST_COUNTER
from pacha.text import printable

_LATEST = 1e11  #: seconds since the epoch; no clock shows a later time
_MOST_HOSTS = 100  #: hosts that were rebuilt here and are not settled
_MOST_STATED = 10_000  #: hosts of which a statement is remembered


class _InvalidValue(ValueError):
    """Pacha never writes such a value; the text names its key."""


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
