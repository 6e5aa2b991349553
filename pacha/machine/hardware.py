"""Whether this machine is the one that a host ran on, and which things that a file refers to are not here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pacha.machine.facts import Facts
from pacha.machine.inventory import Inventory
from pacha.machine.references import Reader, Reference, read
from pacha.text import enumerated

_SHOWN = 3  #: references of one file that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """References to what is not here (``dead``) or may not be (``unknown``); ``unread``: why a file was not read."""

    dead: tuple[Reference, ...] = ()
    unknown: tuple[Reference, ...] = ()
    unread: str = ""

    def __bool__(self) -> bool:
        return bool(self.dead or self.unknown or self.unread)

    def __str__(self) -> str:
        """The result in words, safe to print."""
        if self.dead:
            return f"{named(self.dead)} {'is' if len(self.dead) == 1 else 'are'} not here"
        return self.unread or f"it cannot be told here whether there is {named(self.unknown)}"


def examine(reader: Reader, path: str, content: bytes, inventory: Inventory) -> Lookup:
    """Look up everything that ``content``, of the file ``path``, refers to."""
    try:
        references = read(reader, path, content)
    except ValueError as error:
        return Lookup(unread=str(error))
    lookups = [(reference, inventory.has(reference)) for reference in references]
    return Lookup(
        dead=tuple(reference for reference, here in lookups if here is False),
        unknown=tuple(reference for reference, here in lookups if here is None),
    )


def cards(reader: Reader, path: str, content: bytes, inventory: Inventory) -> tuple[Reference, ...]:
    """Return the network cards of this machine that ``content`` names; none where it cannot be read."""
    try:
        return tuple(filter(inventory.is_card, read(reader, path, content)))
    except ValueError:
        return ()


def same(recorded: Facts, here: Facts) -> bool:
    """Whether ``here`` are the facts of the machine that was ``recorded``, as far as they show.

    It must have a card, a volume and the root file system of the recorded machine: after a new installation it is
    another one. Where neither has known cards or volumes, as containers, their ``virtualisation`` must be the same.
    """
    if recorded.architecture != here.architecture:
        return False
    macs = [{card.mac for card in facts.cards if card.mac} for facts in (recorded, here)]
    volumes = [_names(facts) for facts in (recorded, here)]
    known = [(before, now) for before, now in (macs, volumes) if before or now]
    if not known:
        return recorded.virtualisation == here.virtualisation
    systems = {volume.uuid for volume in recorded.volumes or () if "/" in volume.mounted and volume.uuid}
    has_system = not systems or any(volume.uuid in systems for volume in here.volumes or ())
    return has_system and all(before & now for before, now in known)


def _names(facts: Facts) -> set[str]:
    return {name for volume in facts.volumes or () for name in (volume.uuid, volume.partuuid, *volume.ids) if name}


def named(references: Iterable[Reference]) -> str:
    """Return the first few of ``references`` in words, safe to print."""
    return enumerated([str(reference) for reference in references], _SHOWN)
