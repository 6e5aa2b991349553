"""Whatever is in the place of whatever was recorded: each ordered pair of states of a path, all in one tree."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.undo import undo
from tests.support.amount import is_soak
from tests.support.applying import ALICE, STAFF, alike, contents, look, make, plan_for
from tests.support.trees import inside

pytestmark = [pytest.mark.usefixtures("as_root"), pytest.mark.soak]

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def acl(path: Path, *words: str) -> None:
    path.mkdir()
    make(path / "a", b"before the acl")
    subprocess.run(["setfacl", *words, "-m", f"u:{ALICE}:rw,g:{STAFF}:-", path], check=True)
    make(path / "b", b"with what it inherits")


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        make(path / name, name.encode())
    return path


def linked(path: Path, *names: str) -> Path:
    for name in names:
        os.link(path, f"{path}{name}", follow_symlinks=False)
    return path


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made, inside(os.fsencode(path.parent)):
        made.bind(path.name)


def attribute(path: Path, name: str, value: bytes = b"") -> Path:
    os.setxattr(path, name, value, follow_symlinks=False)
    return path


def pointing(path: Path, target: str = "nowhere") -> Path:
    path.symlink_to(target)
    return path


def device(path: Path, kind: int, minor: int) -> Path:
    os.mknod(path, kind | 0o600, os.makedev(1, minor))
    return path


STATES: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "file": lambda path: make(path, b"one"),
    "of alice": lambda path: make(path, b"one", 0o4750, ALICE, STAFF),
    "capable": lambda path: attribute(make(path, b"one", 0o755, ALICE), "security.capability", CAPABILITY),
    "folder": lambda path: folder(path, "a", "b"),
    "link": pointing,
    "fifo": lambda path: os.mkfifo(path, 0o620),
    "character": lambda path: device(path, 0o20000, 3),
    "socket": bind,
    "pair": lambda path: linked(make(path, b"one"), "~2"),
    "default acl": lambda path: acl(path, "-d"),
    # only in a soak
    "other": lambda path: make(path, b"two"),
    "empty": lambda path: make(path, b""),
    "closed": lambda path: make(path, b"one", 0),
    "labelled": lambda path: attribute(make(path, b"one"), "trusted.x"),
    "other label": lambda path: attribute(make(path, b"one"), "trusted.x", b"1"),
    "empty folder": folder,
    "sticky": lambda path: folder(path, "b", "c").chmod(0o3777),
    "acl": acl,
    "deep": lambda path: make(folder(folder(path) / "a") / "a", b"deep"),
    "other link": lambda path: pointing(path, "elsewhere"),
    "labelled link": lambda path: attribute(pointing(path), "trusted.x", b"1"),
    "other device": lambda path: device(path, 0o20000, 5),
    "block": lambda path: attribute(device(path, 0o60000, 3), "trusted.x"),
    "two": lambda path: (make(path, b"one"), make(Path(f"{path}~2"), b"one")),
    "three": lambda path: linked(make(path, b"one", 0o600), "~2", "~3"),
    "other pair": lambda path: (make(path, b"one"), linked(make(Path(f"{path}~2"), b"one"), "~3")),
    "pair of links": lambda path: linked(pointing(path), "~2"),
    "one in a folder": lambda path: os.link(folder(path, "a") / "a", f"{path}~2"),
}
CHOSEN = [name for number, name in enumerate(STATES) if number < 11 or is_soak()]


def grow(root: Path, second: bool, time: int) -> None:
    """A tree with the first or the second state of each pair; all of one time, so that it alone tells none apart."""
    root.mkdir()
    for pair in ((there, wanted) for there in CHOSEN for wanted in CHOSEN):
        STATES[pair[second]](root / " to ".join(pair))
    for path in [root, *root.rglob("*")]:
        os.utime(path, ns=(0, time), follow_symlinks=False)


@pytest.mark.parametrize("delete", [False, True])
def test_each_state_becomes_each_other_and_comes_back_with_undo(tmp_path: Path, delete: bool) -> None:
    root, state = tmp_path / "watched", tmp_path / "state"
    state.mkdir(mode=0o700)
    grow(root, True, 1_500_000_000_000_000_007)
    for path in root.rglob("*"):
        if path.is_socket():
            path.unlink()  # a push keeps none
    wanted = look(root)
    source = contents(wanted)
    shutil.rmtree(root)
    grow(root, False, 1_500_000_000_000_000_007)
    before = look(root)

    journal = Journal.begin(os.fsencode(state))
    assert apply(plan_for(root, wanted, delete=delete), source, journal).concerns == ()
    now = look(root)
    assert alike({path: now[path] for path in now if delete or path in wanted}) == alike(wanted)
    assert not plan_for(root, wanted, delete=delete).changes
    assert undo(journal).concerns == () and alike(look(root)) == alike(before)
