"""Show what a machine is besides its files. All of it is hostile text until it is escaped here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pacha.machine.facts import Facts
from pacha.machine.volumes import Volume
from pacha.rebuild.machine import Machines
from pacha.text import enumerated, masked

_LONGEST = 100  #: characters of a value that are shown
_FIRMWARE = {"uefi": "UEFI", "bios": "BIOS"}


def facts_lines(facts: Facts) -> Iterator[str]:
    """The facts, a line each."""
    yield f"System:       {_system(facts)}"
    yield f"Kernel:       {_shown(facts.kernel) or 'unknown'}"
    yield f"Machine:      {_hardware(facts)}"
    yield f"Host name:    {_shown(facts.hostname) or 'unknown'}"
    cards = [(_shown(card.name), _shown(card.mac), f"({_shown(card.driver) or 'no driver'})") for card in facts.cards]
    yield from _lines("Network:", [" ".join(filter(None, words)) for words in cards])
    if facts.volumes is None:
        yield "Volumes:      unknown: the machine does not tell, as in a container"
    else:
        yield from _lines("Volumes:", [_volume(volume) for volume in facts.volumes])
    yield from _lines("Also for:", facts.foreign_architectures)
    yield from _lines("Overrides:", facts.statoverrides)
    yield from _lines("Diversions:", facts.diversions)


def machines_line(host: str, machines: Machines) -> str:
    """Which machine ``host`` was, and which one this is, in a line."""
    return f"'{host}' was {_summary(machines.recorded)}; this is {_summary(machines.here)}."


def _summary(facts: Facts) -> str:
    words = f"{_system(facts)} on {_hardware(facts)}"
    root = next((volume for volume in facts.volumes or () if "/" in volume.mounted), None)
    if root is None:
        return words
    name = f"UUID {_shown(root.uuid)}" if root.uuid else _name(root)
    return f"{words}, root on {name}"


def _system(facts: Facts) -> str:
    words = (facts.distribution.capitalize(), facts.version, facts.architecture)
    return " ".join(filter(None, map(_shown, words))) or "an unknown system"


def _hardware(facts: Facts) -> str:
    machine = _shown(facts.virtualisation) or "an unknown machine"
    return machine + (f" ({firmware})" if (firmware := _FIRMWARE.get(facts.firmware)) else "")


def _volume(volume: Volume) -> str:
    names = {"UUID": volume.uuid, "PARTUUID": volume.partuuid, "LABEL": volume.label, "PARTLABEL": volume.partlabel}
    words = [f"{key}={_shown(value)}" for key, value in names.items() if value]
    mounted = f"on {enumerated([*map(_shown, volume.mounted)], 3)}" if volume.mounted else ""
    return " ".join(filter(None, (_name(volume), *words, _shown(volume.kind), mounted)))


def _name(volume: Volume) -> str:
    return _shown(volume.device or next(iter(volume.ids), ""))


def _lines(title: str, values: Sequence[str]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield f"{'' if number else title:<14}{masked(value, 3 * _LONGEST)}"


def _shown(value: str) -> str:
    return masked(value, _LONGEST)
