"""A host that scans, and what a scan found, in words."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from pacha.files import collector, content, scan
from pacha.files.entry import Entry
from pacha.files.exclude import Rules
from pacha.files.listing import Fingerprint
from pacha.files.owners import Accounts
from pacha.files.scanned import Scan
from pacha.files.watch import Watch

ACCOUNTS = Accounts({0: b"root"}, {0: b"root"}, {}, {})


def watch(path: Path, *, single: bool = False, exclude: tuple[str, ...] = (), one_filesystem: bool = False) -> Watch:
    return Watch(os.fsencode(path), single, Rules.of(exclude), one_filesystem)


class Host:
    """What a host knows from one scan to the next: the entries as committed, and the fingerprints."""

    def __init__(self, *watches: Watch) -> None:
        self.watches = watches
        self.entries: Mapping[bytes, Entry] = {}
        self.fingerprints: Mapping[bytes, Fingerprint] = {}
        self.mounted: set[bytes] = set()

    def scan(self) -> Scan:
        return scan.scan(self.watches, self.entries, self.fingerprints, ACCOUNTS, self.mounted)

    def push(self) -> Scan:
        """Scan, and read what is to be read, as a push does."""
        found = self.scan()
        for path in found.to_read:
            above, name = os.path.split(path)
            fd = os.open(above, os.O_RDONLY)
            entry = content.read(found.entries[path], name, fd).entry
            os.close(fd)
            found.entries = {**found.entries, path: entry._replace(stored=name)}
        self.entries, self.fingerprints, self.mounted = found.entries, found.fingerprints, found.mounted
        self.fingerprints.are_recorded = True
        return found


def paths(found: Scan, root: Path) -> set[str]:
    return {os.fsdecode(path)[len(str(root)) :].lstrip("/") for path in found.entries}


def reasons(found: Scan) -> dict[bytes, str]:
    return {concern.path: concern.reason for concern in found.concerns}


def refuse_to_open(patch: pytest.MonkeyPatch, name: bytes, error: OSError) -> None:
    """From now on open(2) of ``name`` gives this ``error``."""
    real = os.open

    def refuse(path: object, *rest: int, **more: int) -> int:
        if path == name:
            raise error
        return real(path, *rest, **more)  # type: ignore[arg-type]

    patch.setattr(os, "open", refuse)


@pytest.fixture(name="tree")
def empty_tree(tmp_path: Path) -> Path:
    """A folder to scan, empty."""
    root = tmp_path / "w"
    root.mkdir()
    return root


@pytest.fixture(name="settled")
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust every fingerprint at once, as if the trees had lain for a while (nobody can set a ctime)."""
    monkeypatch.setattr(collector, "_UNSETTLED_NS", -10_000_000_000)


def change(tree: Path, choose: random.Random) -> None:
    """Do something to a path of ``tree``."""
    every = sorted(tree.rglob("*"))
    if not every:
        (tree / "n0").write_text("the first\n")
        return
    folders = [tree, *(path for path in every if path.is_dir() and not path.is_symlink())]
    path, place = choose.choice(every), choose.choice(folders) / f"n{choose.randrange(6)}"
    what = choose.randrange(9)
    if what == 0 and not os.path.lexists(place):
        place.mkdir()
    elif what == 1 and not place.is_dir() and place.resolve().parent.is_dir():  # a link may lead anywhere
        place.write_text(str(choose.random()))
    elif what == 2 and not path.is_symlink():
        path.chmod(choose.choice((0o700, 0o755)))
    elif what == 3 and not os.path.lexists(place):
        place.symlink_to(path)
    elif what == 4 and path.is_file() and not path.is_symlink() and not os.path.lexists(place):
        os.link(path, place)
    elif what == 5 and (path.is_symlink() or not path.is_dir()):
        path.unlink()
    elif what == 6 and path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
        path.rmdir()
    elif what == 7 and not os.path.lexists(place) and path not in place.parents:
        path.rename(place)
    elif what == 8 and not path.is_symlink():
        os.utime(path, ns=(choose.randrange(10**18), choose.randrange(10**18)))
