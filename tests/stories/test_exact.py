"""Exact, or loud: trees of everything, grown from seeds, come back as they were or the difference is named.

``PACHA_SEEDS="7 8 9"`` grows other trees than the usual ones.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.support.amount import is_soak
from tests.support.sshd import account
from tests.support.stage import Done, Host, alone
from tests.support.trees import Gardener, People, in_memory, run, unequal

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
SEEDS = [
    int(word)
    for word in os.environ.get("PACHA_SEEDS", "1 2 3 4 5 6 7 8" if is_soak() else "1").replace(",", " ").split()
]

#: All that may differ after a rebuild, each named then, and why Linux or Pacha's word does not allow more.
NAMED = {
    "had chattr": "inode flags are for a person to set: an immutable file would stand in the way of the next rebuild",
}


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """Owners of files, with names."""
    with account("pacha_x_one") as one, account("pacha_x_two") as two:
        yield People((one, two))


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
        assert f"{os.fsdecode(path)} is left out: a socket" in first.out
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
    by_hand = (path for path, letters in gardener.flagged.items() if set("ia") & set(letters))
    assert said.keys() == {target + os.fsdecode(path) for path in by_hand}
    assert [reason for reason in said.values() if not reason.startswith(tuple(NAMED))] == []


def test_a_file_system_that_cannot_hold_all_of_it(tmp_path: Path) -> None:
    """An ext4 of small inodes has whole seconds only (ext4(5)): what that costs is named, and owed."""
    image, there = tmp_path / "image", tmp_path / "small"
    there.mkdir()
    with image.open("wb") as stream:
        stream.truncate(16 << 20)
    run("mkfs.ext4", "-q", "-I", "128", image)
    if subprocess.run(["mount", "-o", "loop", image, there], capture_output=True).returncode != 0:
        pytest.skip("no loop devices here")
    try:
        host, data = alone(tmp_path), tmp_path / "data"
        data.mkdir()
        for name, time in (("whole", 10**18), ("fraction", 10**18 + 1)):
            (data / name).write_text(name)
            os.utime(data / name, ns=(0, time))
        os.utime(data, ns=(0, 10**18))
        host.watch(data)
        host.push()
        for _ in range(2):
            said = named(host.rebuild("--target", there, code=3))
            assert set(said.values()) == {"its time cannot be kept here"}
            assert {path for path in said if path.startswith(f"{there}{data}")} == {f"{there}{data}/fraction"}
        assert (there / str(data)[1:] / "fraction").read_text() == "fraction"
    finally:
        subprocess.run(["umount", there], check=True)
