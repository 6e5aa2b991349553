"""Exact, or loud: trees of everything, grown from seeds, come back as they were or the difference is named.

``PACHA_SEEDS="7 8 9"`` grows other trees than the usual ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.stage import Done, Host
from tests.e2e.trees import Gardener, People, in_memory, unequal
from tests.sshd import account

pytestmark = pytest.mark.usefixtures("as_root")
SEEDS = [int(word) for word in os.environ.get("PACHA_SEEDS", "1 2 3").replace(",", " ").split()]

#: All that may differ after a rebuild, each named then, and why Linux or Pacha's word does not allow more.
NAMED = {
    "had chattr": "inode flags are for a person to set: an immutable file would stand in the way of the next rebuild",
}


@dataclass
class Alone:
    """A master that is a folder of this machine."""

    folder: Path

    @property
    def hosts(self) -> Path:
        return self.folder / "hosts"

    def settings(self) -> dict[str, str]:
        return {"pacha.host": "local", "pacha.hosts.path": str(self.hosts)}


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """Owners of files, with names."""
    with account("pacha_x_one") as one, account("pacha_x_two") as two:
        yield People((one, two))


def alone(folder: Path) -> Host:
    """A host that pushes to a folder."""
    return Host(Alone(folder), folder / "machine", "bar")  # type: ignore[arg-type]


def named(done: Done) -> dict[str, str]:
    """What stderr names: paths as shown, and what is said of them."""
    return dict(line.removeprefix("pacha: ").split(": ", 1) for line in done.err.splitlines() if ": " in line)


def inodes(top: Path) -> dict[str, tuple[int, int]]:
    """What a change of anything would change."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in [*folders, *files]:
            status = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (status.st_ino, status.st_ctime_ns)
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_tree_of_everything(people: People, tmp_path: Path, seed: int) -> None:
    """The first one on the disk, the others in memory: on another file system, and sooner."""
    with nullcontext(tmp_path) if seed == SEEDS[0] else in_memory() as folder:
        top = folder / "top"
        gardener = Gardener(top, [top / "one", top / "two"], people, seed)
        try:
            live(alone(folder), gardener, folder)
        finally:
            gardener.lift_flags()


def live(host: Host, gardener: Gardener, folder: Path) -> None:
    """Push, change, push, lose everything, rebuild, twice and elsewhere."""
    top = gardener.top
    gardener.plant(large=gardener.seed == SEEDS[0])
    host.watch(*gardener.beds)
    first = host.push()
    for path in gardener.sockets:
        assert f"{os.fsdecode(path)}: a socket" in first.out
    for _ in range(3):
        gardener.mutate(3)
        assert "snapshot" in host.push().out
    assert "nothing changed" in host.push().out
    host.pacha("verify").must()

    there = folder / "elsewhere"
    done = host.rebuild("--target", there, code=3)
    check(done, gardener, f"{there}")
    gardener.lift_flags()
    for path in gardener.sockets:
        above = os.path.dirname(path)
        before = os.lstat(above)
        os.unlink(path)
        os.utime(above, ns=(before.st_atime_ns, before.st_mtime_ns))
    was = top.rename(folder / "was")
    assert unequal(was, Path(f"{there}{top}")) == []

    host.forget()
    check(host.rebuild(code=3), gardener, "")
    assert unequal(was, top) == []

    before = inodes(top)
    host.rebuild(code=3)
    assert inodes(top) == before, "a second rebuild has nothing to do"


def check(done: Done, gardener: Gardener, target: str) -> None:
    """Every path that lost something is named, no other is, and all that is said of them is on the list."""
    said = named(done)
    assert said.keys() == {target + os.fsdecode(path) for path in gardener.flagged}
    assert [reason for reason in said.values() if not reason.startswith(tuple(NAMED))] == []
