"""Rot on the master: whatever byte is another, it is found before a target changes, and what is whole is offered.

``PACHA_FLIPS`` is the number of damages (200), ``PACHA_SEED`` what they are chosen by.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.fetch.fetch import fetch
from pacha.fetch.fetched import Fetched
from pacha.fetch.staging import Staging
from pacha.files.entry import Kind
from pacha.history import access, log
from tests.support.amount import amount
from tests.support.rot import flip, snapshots, staging
from tests.support.world import World, one_world, original_world  # noqa: F401  (fixtures)

pytestmark = [
    pytest.mark.soak,
    pytest.mark.usefixtures("as_root"),
    # Mercurial leaves files of its own open for the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
FLIPS = int(amount("PACHA_FLIPS", sample=60, soak=1000))
SEED = int(os.environ.get("PACHA_SEED", "4711"))


def contents(made: Staging, fetched: Fetched) -> dict[bytes, bytes]:
    files = [entry for entry in fetched.snapshot.entries.values() if entry.kind is Kind.FILE]
    return {entry.path: hashlib.sha256(b"".join(made.spool.content(entry.path))).digest() for entry in files}


def damage(seeded: random.Random, path: Path) -> None:
    """Mostly one byte; now and then a file that is gone, cut short or too long."""
    size, how = path.stat().st_size, seeded.random()
    if how < 0.85 and size:
        flip(path, seeded.randrange(size), seeded.randrange(1, 256))
    elif how < 0.9:
        path.unlink()
    elif how < 0.95:
        os.truncate(path, seeded.randrange(size) if size else 0)
    else:
        with open(path, "ab") as stream:
            stream.write(seeded.randbytes(seeded.choice([1, 64, 5000])))


def test_whatever_is_damaged_is_found_or_does_no_harm(world: World) -> None:
    seeded, found = random.Random(SEED), 0
    files = sorted(p for name in ("db", "opt") for p in world.store(name).rglob("*") if p.is_file())
    ids = snapshots(world)
    with staging(world) as made:
        good = fetch(made)
        wanted = contents(made, good)
    for number in range(FLIPS):
        path = seeded.choice(files)
        before = path.read_bytes()
        damage(seeded, path)
        with staging(world) as made:
            try:
                fetched = fetch(made)
                assert fetched.snapshot == good.snapshot, (number, path)
                assert contents(made, fetched) == wanted, (number, path)
            except DamagedError as error:
                found += 1
                said = f"{error.message} {error.why}"
                assert any(word in said for word in ("db", "opt")), (number, path, said)
                offer = re.search(r"--at ([0-9a-f]{12})", error.hint)
                assert offer is None or any(node.startswith(offer[1]) for node in ids[1:]), error.hint
        path.write_bytes(before)
    print(f"{found} of {FLIPS} damages were found, the others did no harm")
    assert found > FLIPS // 4


def test_what_is_damaged_is_called_as_on_the_master(world: World) -> None:
    flip(world.store("opt") / "data" / "one.i", -1)
    with staging(world) as made, pytest.raises(DamagedError) as caught:
        fetch(made)
    there = f"{os.fsdecode(made.context.config.hosts_path)}/bar/opt"
    assert caught.value.message == f"The repository {there} is damaged."
    assert f"hg -R {there} verify" in caught.value.hint


def test_a_damaged_repository_is_named_where_it_lies_on_the_master(world: World) -> None:
    (world.store("db") / "00changelog.i").write_bytes(b"\xff" * 500)
    world.refused(
        f"The repository {world.repository('db')} ",
        f"Look at it on the master with 'hg -R {world.repository('db')} verify'.",
    )
    with (
        pytest.raises(DamagedError, match=f"^The repository {world.repository('db')} "),
        access.open_history(world.here(), "bar"),
    ):
        pass


def forget_note(world: World, place: int) -> str:
    """Spoil what the snapshot ``place`` (0: the first; -1: the newest) says of itself; returns its id."""
    every, index = snapshots(world)[::-1], (world.store("db") / "00changelog.i").read_bytes()
    entry = index.index(bytes.fromhex(every[place])) - 32  # its offset comes first: hg help internals.revlogs
    (text,) = world.store("db").glob("00changelog*.d")
    flip(text, int.from_bytes(index[entry : entry + 6], "big") * (entry > 0) + 4)
    return every[place][:12]


def test_an_old_entry_that_cannot_be_read_hides_none_of_the_history(world: World) -> None:
    every = snapshots(world)
    lost = forget_note(world, 1)
    with access.open_history(world.here(), "bar") as found:
        assert [one.node for one in log.log(found)] == [node for node in every if node[:12] != lost]
        assert [node[:12] for node, _ in found.unreadable] == [lost]
        assert found.snapshot(found.find("")).entries and found.find(every[-1][:12]).node == every[-1]
        for ask in (lambda: found.find(lost), lambda: found.before(found.find(every[-3][:12]))):
            with pytest.raises(DamagedError, match=f"^The snapshot {lost} of 'bar' cannot be read"):
                ask()


def test_an_old_snapshot_that_cannot_be_read_stops_no_other(world: World) -> None:
    every = snapshots(world)
    lost = forget_note(world, 1)
    with staging(world) as made:
        assert fetch(made).tip == every[0]
        assert fetch(made, every[2][:12]).tip == every[2]
        assert fetch(made, "1 second ago").tip == every[0]
    done = world.rebuild()
    assert done.adopted and not done.concerns
    with staging(world) as made, pytest.raises(DamagedError, match=f"snapshot {lost} of 'bar' cannot be") as caught:
        fetch(made, lost)
    assert f"--at {every[2][:12]}" in caught.value.hint


def test_a_newest_snapshot_that_cannot_be_read_is_named_and_the_one_before_is_offered(world: World) -> None:
    every = snapshots(world)
    lost = forget_note(world, -1)
    error = world.refused(f"The snapshot {lost} of 'bar' cannot be read.", f"{world.repository('db')} is damaged")
    assert error.hint.endswith(f"pacha rebuild bar --at {every[1][:12]}")
    with staging(world) as made:
        assert fetch(made, every[1]).tip == every[1] and fetch(made, "1 second ago").tip == every[1]
