"""Damage in what a master has, and what a rebuild would fetch of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.fetch.staging import Staging
from pacha.host.masters import connect
from pacha.store import hg
from tests.support.world import World


@contextmanager
def staging(world: World) -> Iterator[Staging]:
    here = world.here()
    made = Staging.make(here, "bar", connect(here, "local"), lambda received: None)
    try:
        yield made
    finally:
        made.remove()


def snapshots(world: World) -> list[str]:
    """The nodes of every snapshot, newest first."""
    return list(hg.Repository.open(str(world.repository("db"))).revisions())


def flip(path: Path, place: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= mask
    path.write_bytes(data)
