"""A rebuild killed, or failed by the system, at any of the calls by which it changes something.

strace(1) counts the calls of an undisturbed run and then ends, or fails, one run at each of them. A sample by
default; ``PACHA_ALL_KILLS=1`` takes every one.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from pacha.files.entry import Entry
from tests.support.amount import amount
from tests.support.applying import CHANGING, alike, look, new_tree, old_tree
from tests.support.stage import PACHA, Host, alone

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
ALL = bool(amount("PACHA_ALL_KILLS", sample=0, soak=1))
SEED = int(os.environ.get("PACHA_SEED", "4"))
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
REBUILD = ("rebuild", "bar", "--yes", "--delete")
Point = tuple[str, int]


@dataclass(frozen=True)
class Scene:
    """A lost machine on which something else stands where the tree is to be."""

    host: Host
    root: Path
    wanted: dict[bytes, Entry]
    old: dict[bytes, Entry]

    def reset(self) -> None:
        """Everything as it was before the first rebuild."""
        for path in [self.root, *self.root.parent.glob(".pacha-*")]:
            shutil.rmtree(path)
        self.host.forget()
        for left in self.host.temporary.iterdir():
            shutil.rmtree(left)  # one killed before it had a journal to undo
        old_tree(self.root)

    def strace(self, *options: str, words: tuple[str, ...] = REBUILD) -> tuple[int, str, str]:
        """Run pacha under strace: its exit code, what it said on stderr, strace's log."""
        log = self.host.folder / "strace.log"
        command = ["strace", "-o", log, *options, PACHA, *words]
        done = subprocess.run(
            command, env=self.host.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=120
        )
        return done.returncode, done.stderr.decode("utf-8", "replace"), log.read_text(errors="replace")

    @cached_property
    def points(self) -> list[Point]:
        """Every changing call of an undisturbed rebuild: its name, and which one of that name."""
        for _ in range(2):  # the first one finds what no later one does, such as a folder of another time
            self.reset()
            code, said, log = self.strace("-e", f"trace={CHANGING}")
            assert code == 0, said
        counts: dict[str, int] = {}
        for line in log.splitlines():
            name, bracket, _ = line.partition("(")
            if bracket and name.isalnum():
                counts[name] = counts.get(name, 0) + 1
        self.reset()
        return [(name, number) for name, count in sorted(counts.items()) for number in range(1, count + 1)]

    def each_path_is_old_or_new(self) -> None:
        now = look(self.root)
        for path in self.wanted.keys() | self.old.keys():
            assert _essence(now.get(path)) in [_essence(tree.get(path)) for tree in (self.old, self.wanted)], path

    def undo_all(self) -> None:
        """Undo until there is nothing left to undo."""
        for _ in range(4):
            done = self.host.pacha("undo")
            if "There is no rebuild to undo" in done.err:
                break
            done.must()
        assert alike(look(self.root)) == self.old
        assert not list(self.root.parent.glob(".pacha-*"))


def _essence(entry: Entry | None) -> tuple[object, ...] | None:
    return None if entry is None else (entry.kind, entry.size, entry.sha256, entry.target)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One for all tests, each of which begins with ``reset``."""
    tmp_path = tmp_path_factory.mktemp("killed")
    if shutil.which("strace") is None:
        pytest.fail("needs strace")
    host, root = alone(tmp_path), tmp_path / "opt" / "foo"
    root.parent.mkdir()
    new_tree(root)
    host.watch(root)
    host.push()
    wanted = alike(look(root))
    shutil.rmtree(root)
    host.forget()
    old_tree(root)
    return Scene(host, root, wanted, alike(look(root)))


def some(points: list[Point], count: int) -> list[Point]:
    """All of them if that is asked for, else a seeded sample with the last of each call in it."""
    print(f"{len(points)} points: {dict(points)}")
    return points if ALL else sorted(random.Random(SEED).sample(points, count))


def test_killed_at_any_call_it_is_undone_or_carried_on(scene: Scene) -> None:
    points = scene.points
    assert len(points) > 200
    for turn, (name, number) in enumerate(some(points, 8)):
        for carries_on in (False, True) if ALL else (turn % 2 == 0,):
            scene.reset()
            code, said, _ = scene.strace("-e", f"trace={name}", "-e", f"inject={name}:signal=SIGKILL:when={number}")
            assert code in KILLED, (name, number, code, said)
            scene.each_path_is_old_or_new()
            if carries_on:
                scene.host.rebuild("--delete")
                assert alike(look(scene.root)) == scene.wanted, (name, number)
            scene.undo_all()


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS", "EDQUOT"])
def test_an_error_at_any_call_is_named_and_the_next_rebuild_is_exact(scene: Scene, error: str) -> None:
    points = [point for point in scene.points if point[0] != "ftruncate"]
    failed: list[str] = []
    for name, number in some(points, 2):
        scene.reset()
        try:
            fail_once(scene, error, name, number)
        except (AssertionError, OSError, subprocess.SubprocessError) as fault:  # all that fail, of a run of an hour
            failed.append(f"{error} at {name} {number}: {fault}")
            print(failed[-1], flush=True)
    assert not failed, "\n\n".join(failed)


def fail_once(scene: Scene, error: str, name: str, number: int) -> None:
    """A rebuild at one of whose calls the system gives an error, the rebuild after it, and undo."""
    code, said, log = scene.strace("-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={number}")
    where = f"exit code {code}\n{said}"
    assert "(INJECTED)" in log or (name, code) == ("write", 0), where  # how often progress is printed varies
    assert code in (0, 1, 3), where
    assert "Traceback" not in said and "fault in Pacha" not in said, where
    scene.each_path_is_old_or_new()
    assert code != 0 or alike(look(scene.root)) == scene.wanted, where
    assert code == 0 or said, where
    scene.host.rebuild("--delete")
    assert alike(look(scene.root)) == scene.wanted, where
    scene.undo_all()


@pytest.mark.parametrize("who", ["both", "second"])
def test_killed_while_two_processes_write(tmp_path: Path, who: str) -> None:
    """So many files that they share them; the second process ends with the first."""
    host, root = alone(tmp_path), tmp_path / "opt" / "many"
    for number in range(1_000):
        folder = root / f"folder{number // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / str(number)).write_text(f"new {number}\n")
    host.watch(root)
    host.push()
    wanted = alike(look(root))
    for rounds in range(int(amount("PACHA_KILLS_OF_TWO", sample=1, soak=20))):
        host.forget()
        shutil.rmtree(root)
        (root / "folder0").mkdir(parents=True)
        (root / "folder0" / "1").write_text("old\n")
        old = alike(look(root))
        rebuild = subprocess.Popen([PACHA, *REBUILD], env=host.environment(), stdout=subprocess.DEVNULL)
        while rebuild.poll() is None and not list(root.glob(".pacha-*/*0")):
            pass
        time.sleep(0.01 * rounds)
        try:
            children = Path(f"/proc/{rebuild.pid}/task/{rebuild.pid}/children").read_text().split()
            for process in children if who == "second" else [rebuild.pid]:
                os.kill(int(process), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it was quicker
        if rebuild.wait() == 0:
            assert alike(look(root)) == wanted
        for left in host.temporary.iterdir():
            shutil.rmtree(left)
        assert who == "both" or rebuild.returncode == 0
        for _ in range(2):
            host.pacha("undo")
        assert alike(look(root)) == old and not list(root.rglob(".pacha-*"))
        host.rebuild("--delete")
        assert alike(look(root)) == wanted
