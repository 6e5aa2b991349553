"""The state of this machine (``host_state``) in its form in memory.json.

A field has the name of its key in the file; a default is not written. An unknown key comes from a later Pacha and
stays as it is, but for a master's, which the next push to that master drops. The file may have been edited by hand: it
is checked once, when it is read.
"""

from __future__ import annotations

import math
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
        **dict.fromkeys(["concerns", "untold"], lambda concerns: [[of.path.hex(), of.reason] for of in concerns]),
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


def _tuple_of(decode_value: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda values: tuple(decode_value(value) for value in _of(list)(values))


_texts = _tuple_of(_text)


def _dict_of(
    decode_key: Callable[[Any], Any], decode_value: Callable[[Any], Any], most: float = math.inf
) -> Callable[[Any], dict[Any, Any]]:
    """A decoder of an object with no more than ``most`` keys."""

    def decode_all(values: object) -> dict[Any, Any]:
        given = _of(dict)(values)
        if len(given) > most:
            raise ValueError
        return {decode_key(key): decode_value(value) for key, value in given.items()}

    return decode_all


def _made(value: object) -> tuple[str, float] | None:
    if not _of(list)(value):
        return None
    node, at = _of(list)(value)
    return _text(node), _seconds(at)


def _concern(value: Any) -> Concern:
    path, reason = value
    return Concern(bytes.fromhex(path), _text(reason))


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
    names = _dict_of(bytes.fromhex, bytes.fromhex, most=LONGEST)
    users, groups = (names(choices.get(key, {})) for key in ("users", "groups"))
    return RebuildChoices(
        keep=keep, accounts=accounts, hardware=hardware, packages=packages, users=users, groups=groups
    )


def _stated(value: object) -> Stated:
    counter, digest, tip, key = _of(list)(value)
    if not 0 <= _of(int)(counter) <= MOST_COUNTER:
        raise ValueError
    return Stated(counter=counter, digest=_text(digest), tip=_text(tip), key=_text(key))


def _orphans(value: object) -> Orphans:
    name, is_group, number, count, paths, target = _of(list)(value)
    return Orphans(
        name=bytes.fromhex(name), is_group=_of(bool)(is_group), number=_of(int)(number), count=_of(int)(count),
        paths=_tuple_of(bytes.fromhex)(paths), target=bytes.fromhex(target),
    )  # fmt: skip


def _master(name: str, value: object) -> MasterState:
    if not isinstance(value, dict):
        raise _InvalidValue(f"its master {name!r} has the wrong type")
    return _decode(MasterState, value, _MASTER)


_MASTER: _Decoders = {
    "changelog": _of(str, type(None)),
    "contents": _dict_of(_text, _of(str, type(None))),
    "sent": _dict_of(_text, _text),
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
    **dict.fromkeys(["concerns", "untold"], _tuple_of(_concern)),
    "masters": lambda masters: {name: _master(name, known) for name, known in _of(dict)(masters).items()},
    "owed": _dict_of(bytes.fromhex, _text),
    "moving": _renumbering,
    "choices": _dict_of(_text, _choices, most=_MOST_HOSTS),
    "stated": _dict_of(_text, _stated, most=_MOST_STATED),
    "moving_below": _dict_of(bytes.fromhex, _renumbering),
    "orphans": _tuple_of(_orphans),
    **dict.fromkeys(["mounted", "reread"], _tuple_of(bytes.fromhex)),
}
