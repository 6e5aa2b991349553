"""Files that change while a push reads them: one real version of each, or a warning, never a silent mixture."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacha.config.load import load_config
from pacha.files import content
from pacha.host.context import Context
from pacha.host.watch import watch
from pacha.push.push import Pushed, push
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.rebuild import rebuild
from pacha.store.state import StateFolder
from tests.support.amount import amount
from tests.support.trees import in_memory

pytestmark = pytest.mark.soak

ROUNDS = int(amount("PACHA_ROUNDS", sample=5, soak=60))
#: Writes whole versions, each of one letter, in every way that a program may: over the old one in place, with
#: another length, beside it and renamed, as a link, as a folder, not at all, larger than 16 MiB. Where a busy machine
#: stops it in the middle of a version, for so long that the file lies still, it says so in a file beside the folder.
CHURN = """
import os, random, sys, time
folder, end = sys.argv[1], time.time() + 600
size = 3_000_000
def whole(path, size):
    with open(path, "wb") as stream: stream.write(random.choice(b"abcdef".decode()).encode() * size)
def in_place(path):
    with open(path, "r+b", buffering=0) as stream:
        data, last = random.choice("abcdef").encode() * 4096, time.monotonic()
        for _ in range(size // 4096 + 1):
            stream.write(data)
            now = time.monotonic()
            if now - last > 0.015: open(f"{folder}.paused", "a").close()
            last = now
        stream.truncate(size)
def gone(path):
    if os.path.isdir(path) and not os.path.islink(path): os.rmdir(path)
    elif os.path.lexists(path): os.unlink(path)
for name in ("in place", "steady size", "kinds", "growing"): whole(f"{folder}/{name}", size)
print("ready", flush=True)
while time.time() < end:
    in_place(f"{folder}/in place")
    whole(f"{folder}/beside", size); os.rename(f"{folder}/beside", f"{folder}/steady size")
    kinds = f"{folder}/kinds"
    gone(kinds)
    what = random.choice(("file", "link", "folder", "none"))
    if what == "file": whole(kinds, 100)
    if what == "link": os.symlink("/etc/shadow", kinds)
    if what == "folder": os.mkdir(kinds)
    whole(f"{folder}/growing", random.choice((10, 3_000_000, 17 * 1024 * 1024)))
"""


@contextmanager
def churning(folder: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", CHURN, folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield
        assert process.poll() is None, "it was to go on all the time"
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@pytest.fixture
def here() -> Iterator[Context]:
    with in_memory() as folder:
        (folder / "data").mkdir()
        (folder / "conf").write_text(
            f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {folder}/hosts\npacha.hostname = bar\n"
        )
        made = Context(load_config(folder / "conf"), StateFolder(folder / "state"))
        watch(made, os.fsencode(folder / "data"))
        yield made


def data_of(here: Context) -> Path:
    return here.state.path.parent / "data"


def check(here: Context, pushed: Pushed, target: Path) -> None:
    """What was pushed comes back, and every file of it is of one letter or was named."""
    named = {os.path.basename(concern.path) for concern in pushed.concerns}
    data = data_of(here)
    if (paused := Path(f"{data}.paused")).exists():
        named.add(b"in place")
        paused.unlink()
    rebuild(here, "bar", RebuildOptions(target=os.fsencode(target)))
    for path in Path(f"{target}{data}").iterdir():
        if path.is_symlink():
            assert os.readlink(path) == "/etc/shadow"
        elif path.is_file():
            assert len(set(path.read_bytes())) <= 1 or os.fsencode(path.name) in named, path.name


def test_a_churning_folder(here: Context) -> None:
    with churning(data_of(here)):
        for number in range(ROUNDS):
            check(here, push(here), data_of(here).parent / f"target {number}")
    for kinds in data_of(here).glob("kinds"):
        kinds.rmdir() if kinds.is_dir() and not kinds.is_symlink() else kinds.unlink()
    push(here)
    last = push(here)
    assert last.concerns == () and not last.committed, "it settles when they do"


def test_a_file_that_was_written_just_now_is_read_when_the_clock_has_moved_on(tmp_path: Path) -> None:
    """Before that another write could leave the same times, and a mixture would pass for one version."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with path.open("rb") as stream:
        status, sure = content.settled(stream.fileno())
        assert sure and time.time_ns() - status.st_ctime_ns >= 20_000_000


@pytest.mark.parametrize("size", [1000, content.WHOLE_LIMIT + 5000], ids=["whole", "in parts"])
@pytest.mark.parametrize("change", ["rewritten", "truncated", "link", "removed", "grown", "unseen"])
def test_changed_at_the_very_moment(here: Context, monkeypatch: pytest.MonkeyPatch, change: str, size: int) -> None:
    """Between two reads of the same file, by hand."""
    path = data_of(here) / "file"
    path.write_bytes(b"a" * size)
    os.utime(path, ns=(0, 10**18))
    monkeypatch.setattr(content, "_TICK_NS", 0)
    real, reads = os.pread, 0

    def pread(fd: int, length: int, offset: int) -> bytes:
        nonlocal reads
        data = real(fd, min(length, 600), offset) if length <= 1001 else real(fd, length, offset)
        if os.readlink(f"/proc/self/fd/{fd}") == str(path):
            reads += 1
            if reads == 1:
                alter(path, change, size)
        return data

    monkeypatch.setattr(os, "pread", pread)
    pushed = push(here)
    monkeypatch.undo()
    monkeypatch.setenv("TMPDIR", str(here.state.path.parent))
    assert reads
    target = here.state.path.parent / "target"
    check(here, pushed, target)
    back = Path(f"{target}{path}")
    if not pushed.concerns and back.exists():
        assert len(back.read_bytes()) in (size, 0, 17 * 1024 * 1024)
    assert not back.is_symlink() or os.readlink(back) == "/etc/shadow"


def alter(path: Path, change: str, size: int) -> None:
    if change == "rewritten":
        path.write_bytes(b"b" * size)
    elif change == "unseen":
        with open(path, "r+b") as stream:
            stream.write(b"b" * size)
        os.utime(path, ns=(0, 10**18))
    elif change == "truncated":
        os.truncate(path, 0)
    elif change == "grown":
        with open(path, "ab") as stream:
            stream.write(b"a" * (17 * 1024 * 1024 - size))
    else:
        path.unlink()
        if change == "link":
            path.symlink_to("/etc/shadow")
