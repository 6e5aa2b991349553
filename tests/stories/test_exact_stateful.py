"""Any order of changes, pushes and losses: what a rebuild makes is what was there at the last push.

The environment says how long it looks: ``PACHA_EXAMPLES=500`` lives, each of up to 30
steps, or ``PACHA_MINUTES=60`` of them. ``PACHA_SEED`` repeats a run; its seed is printed.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pacha.config.load import load_config
from pacha.history.verify import verify
from pacha.host.context import Context
from pacha.host.watch import watch
from pacha.push.push import push
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.rebuild import rebuild
from pacha.store.state import StateFolder
from tests.support.amount import amount
from tests.support.trees import TIMES, in_memory, run, walk

EXAMPLES = int(amount("PACHA_EXAMPLES", sample=12, soak=60))
MINUTES = amount("PACHA_MINUTES", sample=0, soak=60)
pytestmark = [
    pytest.mark.soak,
    pytest.mark.slow(minutes=max(MINUTES, 1)),
    pytest.mark.usefixtures("as_root"),
    pytest.mark.timeout(0),
]

SEED = int(os.environ.get("PACHA_SEED") or random.randrange(2**32))
NAMES = (b"a", b"b", b"new\nline", b".hg", b"-rf", b"\xff", b".hgsub", b"x" * 255, b"\x1b[31m", b".pacha%0A")

names = st.sampled_from(NAMES)
places = st.lists(names, min_size=0, max_size=3).map(b"/".join)
owners = st.sampled_from([0, 1, 54321, 2**32 - 2])
modes = st.integers(0, 0o7777)
contents = st.binary(max_size=40) | st.sampled_from([b"", b"\0" * 200_000, b"x" * 70_000])


class Life(RuleBasedStateMachine):
    """A watched tree, its master, and a machine that may forget all it knows."""

    def __init__(self) -> None:
        super().__init__()
        self.ground = ExitStack()
        self.folder = self.ground.enter_context(in_memory())
        self.trees = [self.folder / "one", self.folder / "two"]
        self.pushed: dict[bytes, tuple[object, ...]] | None = None
        self.rebuilds = 0

    @initialize()
    def begin(self) -> None:
        for tree in self.trees:
            tree.mkdir()
        path = self.folder / "pacha.conf"
        path.write_text(
            f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {self.folder / 'hosts'}\npacha.hostname = bar\n"
        )
        self.here = Context(load_config(path), StateFolder(self.folder / "state"))
        for tree in self.trees:
            watch(self.here, os.fsencode(tree))

    def teardown(self) -> None:
        """Every life ends with a push, a loss and a rebuild."""
        with self.ground:
            self.push_()
            self.rebuild_elsewhere()
            self.rebuild_in_place(forget=True, wipe=True)

    # -- changes

    def at(self, place: bytes, tree: int) -> bytes:
        """The path of ``place``, or of what is nearest to it."""
        path = os.fsencode(self.trees[tree])
        for part in place.split(b"/") if place else []:
            if os.path.isdir(path) and not os.path.islink(path):
                path = os.path.join(path, part)
        return path

    @rule(place=places, tree=st.integers(0, 1), content=contents, mode=modes)
    def write(self, place: bytes, tree: int, content: bytes, mode: int) -> None:
        path = self.at(place, tree)
        if not os.path.lexists(path) or stat.S_ISREG(os.lstat(path).st_mode):
            with open(path, "wb") as stream:
                stream.write(content)
            os.chmod(path, mode)

    @rule(place=places, tree=st.integers(0, 1), byte=st.binary(min_size=1, max_size=1))
    def edit_unseen(self, place: bytes, tree: int, byte: bytes) -> None:
        """The same size, the same time."""
        path = self.at(place, tree)
        if os.path.isfile(path) and not os.path.islink(path) and (before := os.lstat(path)).st_size:
            with open(path, "r+b") as stream:
                stream.write(byte)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(place=places, tree=st.integers(0, 1), mode=modes)
    def folder_(self, place: bytes, tree: int, mode: int) -> None:
        path = self.at(place, tree)
        if not os.path.lexists(path):
            os.mkdir(path)
            os.chmod(path, mode)

    @rule(place=places, tree=st.integers(0, 1), points=st.sampled_from([b"a", b"/etc", b"..", b"\xff\n", b"no/thing"]))
    def symlink(self, place: bytes, tree: int, points: bytes) -> None:
        path = self.at(place, tree)
        if not os.path.lexists(path):
            os.symlink(points, path)

    @rule(place=places, tree=st.integers(0, 1), kind=st.sampled_from([stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK]))
    def special(self, place: bytes, tree: int, kind: int) -> None:
        path = self.at(place, tree)
        if not os.path.lexists(path):
            os.mknod(path, kind | 0o640, os.makedev(7, 300) if kind != stat.S_IFIFO else 0)

    @rule(place=places, tree=st.integers(0, 1), there=places, other=st.integers(0, 1))
    def hard_link(self, place: bytes, tree: int, there: bytes, other: int) -> None:
        path, new = self.at(place, tree), self.at(there, other)
        if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode) and not os.path.lexists(new):
            os.link(path, new, follow_symlinks=False)

    @rule(place=places, tree=st.integers(0, 1), there=places, other=st.integers(0, 1))
    def rename(self, place: bytes, tree: int, there: bytes, other: int) -> None:
        path, new = self.at(place, tree), self.at(there, other)
        movable = path not in map(os.fsencode, self.trees) and not new.startswith(path + b"/")
        if movable and os.path.lexists(path) and not os.path.lexists(new):
            os.rename(path, new)

    @rule(place=places, tree=st.integers(0, 1))
    def remove(self, place: bytes, tree: int) -> None:
        path = self.at(place, tree)
        if path not in map(os.fsencode, self.trees) and os.path.lexists(path):
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    @rule(place=places, tree=st.integers(0, 1), mode=modes)
    def chmod(self, place: bytes, tree: int, mode: int) -> None:
        path = self.at(place, tree)
        if os.path.lexists(path) and not os.path.islink(path):
            os.chmod(path, mode)

    @rule(place=places, tree=st.integers(0, 1), uid=owners, gid=owners)
    def chown(self, place: bytes, tree: int, uid: int, gid: int) -> None:
        path = self.at(place, tree)
        if os.path.lexists(path):
            os.chown(path, uid, gid, follow_symlinks=False)

    @rule(place=places, tree=st.integers(0, 1), time_ns=st.sampled_from(TIMES) | st.integers(0, 2**62))
    def touch(self, place: bytes, tree: int, time_ns: int) -> None:
        path = self.at(place, tree)
        if os.path.lexists(path):
            os.utime(path, ns=(0, time_ns), follow_symlinks=False)

    @rule(place=places, tree=st.integers(0, 1), value=st.none() | st.binary(max_size=30))
    def attribute(self, place: bytes, tree: int, value: bytes | None) -> None:
        path = self.at(place, tree)
        if os.path.lexists(path):
            if value is not None:
                os.setxattr(path, "trusted.x", value, follow_symlinks=False)
            elif "trusted.x" in os.listxattr(path, follow_symlinks=False):
                os.removexattr(path, "trusted.x", follow_symlinks=False)

    @rule(place=places, tree=st.integers(0, 1), uid=owners, rights=st.sampled_from(["rwx", "-"]), default=st.booleans())
    def acl(self, place: bytes, tree: int, uid: int, rights: str, default: bool) -> None:
        path = self.at(place, tree)
        if os.path.lexists(path) and not os.path.islink(path):
            words = ["-d"] if default and os.path.isdir(path) else []
            run("setfacl", *words, "-m", f"u:{uid}:{rights},g:54322:r", "--", path)

    # -- what Pacha does

    @rule()
    def push_(self) -> None:
        pushed = push(self.here)
        assert pushed.concerns == () and pushed.failure is None
        self.pushed = portrait(self.trees)
        assert verify(self.here).differences == ()
        assert not push(self.here).committed

    @precondition(lambda self: self.pushed is not None)
    @rule()
    def rebuild_elsewhere(self) -> None:
        self.rebuilds += 1
        target = self.folder / f"target {self.rebuilds}"
        made = rebuild(self.here, "bar", RebuildOptions(target=os.fsencode(target)))
        assert made.concerns == ()
        assert portrait([Path(f"{target}{tree}") for tree in self.trees]) == self.pushed
        shutil.rmtree(target)

    @precondition(lambda self: self.pushed is not None)
    @rule(forget=st.booleans(), wipe=st.booleans())
    def rebuild_in_place(self, forget: bool, wipe: bool) -> None:
        """Over whatever is there now, with what is too much moved away."""
        if forget:
            shutil.rmtree(self.folder / "state")
        if wipe:
            for tree in self.trees:
                shutil.rmtree(tree)
        made = rebuild(self.here, "bar", RebuildOptions(delete=True))
        assert made.concerns == ()
        assert portrait(self.trees) == self.pushed
        before = inodes(self.trees)
        assert rebuild(self.here, "bar", RebuildOptions(delete=True)).concerns == ()
        assert inodes(self.trees) == before


def portrait(trees: list[Path]) -> dict[bytes, tuple[object, ...]]:
    """All that trees are, by path below them."""
    found: dict[bytes, tuple[object, ...]] = {}
    linked: dict[int, list[bytes]] = {}
    for number, tree in enumerate(trees):
        base = os.fsencode(tree)
        for path in [base, *walk(base)]:
            status = os.lstat(path)
            name = b"%d%s" % (number, path[len(base) :])
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                linked.setdefault(status.st_ino, []).append(name)
            labels = sorted(os.listxattr(path, follow_symlinks=False))
            attributes = [(x, os.getxattr(path, x, follow_symlinks=False)) for x in labels]
            ids = (status.st_uid, status.st_gid)
            what = (status.st_mode, *ids, status.st_mtime_ns, status.st_rdev, _content(path, status))
            found[name] = (*what, attributes)
    for together in linked.values():
        found.update({name: (*found[name], sorted(together)) for name in together})
    return found


def inodes(trees: list[Path]) -> dict[bytes, tuple[int, int]]:
    """What a change of anything would change."""
    paths = [path for tree in trees for path in [os.fsencode(tree), *walk(os.fsencode(tree))]]
    return {path: (os.lstat(path).st_ino, os.lstat(path).st_ctime_ns) for path in paths}


def _content(path: bytes, status: os.stat_result) -> bytes | None:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            return stream.read()
    return None


def live(number: int) -> None:
    """So many lives as are asked for, from one seed."""
    wanted = settings(
        max_examples=EXAMPLES, stateful_step_count=30, derandomize=False, print_blob=True,
        database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(Life), settings=wanted)


def live_apart(number: int) -> None:
    """The same in a process of its own: each push leaves 1 or 2 MB of Mercurial's objects behind, 10 GB in an hour."""
    environment = {**os.environ, "PACHA_SEED": str(number), "PACHA_EXAMPLES": str(EXAMPLES), "PACHA_MINUTES": "0"}
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__], env=environment, check=True
    )


def test_any_order_of_things(capsys: pytest.CaptureFixture[str]) -> None:
    began, number = time.monotonic(), SEED
    while True:
        with capsys.disabled():
            print(f"\nPACHA_SEED={number} PACHA_EXAMPLES={EXAMPLES}")
        live_apart(number) if MINUTES else live(number)
        number += 1
        if time.monotonic() - began > MINUTES * 60:
            return
