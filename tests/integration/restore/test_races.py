"""Other users of the machine that is rebuilt: whoever flips a folder of his with a link meanwhile gains nothing.

``PACHA_RACE_SECONDS`` is how long each way is tried (1.5).
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import PachaError
from pacha.fetch import staging_dir
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push
from pacha.rebuild import rebuild
from pacha.rebuild.options import RebuildOptions
from pacha.store.host_state import HostState
from pacha.store.state import StateFolder
from tests.support.amount import amount, by_turns
from tests.support.stage import changed, picture

pytestmark = [
    pytest.mark.soak,
    pytest.mark.usefixtures("as_root"),
    # Mercurial leaves files of its own open for the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
SECONDS = amount("PACHA_RACE_SECONDS", sample=1.5, soak=60)
EVE = 65534

#: Exchanges two names as fast as it can (renameat2(2), RENAME_EXCHANGE), resting now and then for an odd time.
_FLIPPER = """
import ctypes, random, sys, time
libc = ctypes.CDLL(None, use_errno=True)
one, other = (path.encode() for path in sys.argv[1:])
print("ready", flush=True)
count = 0
while True:
    libc.renameat2(-100, one, -100, other, 2)
    count += 1
    if count % 7 == 0:
        time.sleep(random.choice([0, 0.0002, 0.001, 0.004]))
"""


@contextmanager
def flipping(one: Path, other: Path) -> Iterator[None]:
    """Another user exchanges two names of his all the while."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    process = subprocess.Popen(
        [python, "-I", "-S", "-c", _FLIPPER, one, other],
        stdout=subprocess.PIPE, user=EVE, group=EVE, extra_groups=[], cwd="/",
    )  # fmt: skip
    try:
        assert process.stdout and process.stdout.readline() == b"ready\n"
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder that everybody can reach."""
    made = Path(f"/tmp/pacha-race-{os.getpid()}")
    made.mkdir(mode=0o755)
    yield made
    shutil.rmtree(made)


def make(folder: Path, text: str, owner: int = EVE, mode: int = 0o644) -> None:
    """The same names everywhere: what is right at one place is what an attacker wants at the other."""
    (folder / "inner" / "deep").mkdir(parents=True)
    for name in ("file", "inner/file", "inner/new", "inner/deep/file"):
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner)


def disturb(folder: Path, number: int) -> None:
    """Root spoils the tree a little, so that there is something to rebuild."""
    for path, act in (("inner/new", "gone"), ("inner/file", "other"), ("inner/deep/file", "mode"), ("file", "owner")):
        place = folder / path
        try:
            fd = os.open(place.parent, os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # it is flipped just now
        with _closing(fd):
            _spoil(fd, place.name, act, number)


@contextmanager
def _closing(fd: int) -> Iterator[None]:
    try:
        yield
    except OSError:
        pass
    finally:
        os.close(fd)


def _spoil(fd: int, name: str, act: str, number: int) -> None:
    if os.fstat(fd).st_uid != EVE:
        return
    if act == "gone":
        os.unlink(name, dir_fd=fd)
        return
    file = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=fd)
    try:
        if os.fstat(file).st_uid != EVE:
            return
        if act == "other":
            os.write(file, b"%05d" % (number % 100_000))
        else:
            os.fchmod(file, 0o600)
    finally:
        os.close(file)


def here(top: Path, state: str) -> Context:
    text = f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {top}/hosts\npacha.hostname = bar\n"
    return Context(parse_config(text), StateFolder(top / state))


#: What is watched, and which name of hers Eve exchanges with a link (or a hard link) to what.
WAYS = {
    "the watched folder": ("eve/tree", "eve/tree", "canary/tree"),
    "a folder above": ("eve/above/tree", "eve/above", "canary/above"),
    "a folder inside": ("eve/tree", "eve/tree/inner", "canary/tree/inner"),
    "a folder deep inside": ("eve/tree", "eve/tree/inner/deep", "canary/tree/inner/deep"),
    "a file": ("eve/tree", "eve/tree/file", "canary/tree/file"),
    "a file inside": ("eve/tree", "eve/tree/inner/file", "canary/tree/inner/file"),
}


def prepared(top: Path, watched: str) -> Path:
    tree = top / watched
    tree.parent.mkdir(parents=True)
    make(tree, "eve's\n")
    for path in (top / "eve", tree.parent):
        os.chown(path, EVE, EVE)
    for place in ("canary/tree", "canary/above/tree"):
        make(top / place, "SECRET\n", owner=0, mode=0o600)
    bar = here(top, "bar")
    watch.watch(bar, os.fsencode(tree))
    assert push.push(bar).failure is None
    return tree


def pairs() -> list[tuple[str, str]]:
    return [(way, kind) for way in WAYS for kind in ("link", "hard link" if "file" in way else "folder")]


def seen(top: Path) -> dict[bytes, tuple[object, ...]]:
    """What Eve wants to change; how many names her own hard links give it is no change."""
    return {path: what[:5] for path, what in picture(top / "canary").items()}


@pytest.mark.parametrize(("way", "kind"), by_turns([*pairs()], 3))
def test_who_flips_a_name_gains_nothing(top: Path, way: str, kind: str) -> None:
    watched, flipped, aim = WAYS[way]
    tree, mine = prepared(top, watched), top / flipped
    other = mine.parent / "other"
    if kind == "link":
        other.symlink_to(top / aim)
    elif kind == "hard link":
        os.link(top / aim, other)  # as protected_hardlinks=0 lets her (proc_sys_fs(5))
    else:
        make(other, "another of hers\n")
    os.chown(other, *((EVE, EVE) if kind != "hard link" else (0, 0)), follow_symlinks=False)
    before = seen(top)
    rounds = concerned = 0
    with flipping(mine, other):
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            disturb(tree, rounds)
            try:
                choices = RebuildOptions(delete=bool(rounds % 2))
                concerned += bool(rebuild.rebuild(here(top, "fresh"), "bar", choices).concerns)
            except PachaError:
                concerned += 1
            rounds += 1
            assert changed(before, seen(top)) == [], rounds
    print(f"{rounds} rebuilds, {concerned} of them disturbed")
    assert rounds >= 3


def naive(tree: Path) -> None:
    """A restore by paths, as it must not be."""
    for name in ("file", "inner/file", "inner/deep/file"):
        try:
            (tree / name).write_text("eve's\n")
            os.chown(tree / name, EVE, EVE)
        except OSError:
            continue


def test_a_restore_by_paths_would_lose(top: Path) -> None:
    tree = prepared(top, "eve/tree")
    (tree / "other").symlink_to(top / "canary/tree/inner")
    os.chown(tree / "other", EVE, EVE, follow_symlinks=False)
    before, until = picture(top / "canary"), time.monotonic() + 20
    with flipping(tree / "inner", tree / "other"):
        while changed(before, picture(top / "canary")) == []:
            assert time.monotonic() < until, "the attack is none"
            naive(tree)


# -- where the private folder is made


def folder_made(top: Path) -> Path:
    made = staging_dir.create(here(top, "fresh"))
    assert stat.S_IMODE(made.stat().st_mode) == 0o700 and made.stat().st_uid == 0
    staging_dir.remove_leftovers(here(top, "fresh"))
    assert not made.exists()
    return made.parent


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def _of_eve(folder: Path) -> None:
    os.chown(folder, EVE, EVE)


def _below_eve(folder: Path) -> None:
    os.chown(folder.parent, EVE, EVE)


def _a_link_of_eve(folder: Path) -> None:
    target = folder.parent / "real"
    target.mkdir()
    os.chown(target, EVE, EVE)
    folder.rmdir()
    folder.symlink_to(target)


@pytest.mark.parametrize("spoil", [_open_to_all, _of_eve, _below_eve, _a_link_of_eve])
def test_not_where_another_could_swap_it(
    top: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    folder = top / "mine" / "tmp"
    folder.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert folder_made(top) == folder
    spoil(folder)
    monkeypatch.setattr("tempfile.tempdir", None)
    assert folder_made(top) == top / "fresh"


def test_a_sticky_folder_will_do_whatever_lies_in_it(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = top / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    for name in ("pacha", "pacha-", "bar", "pacha-00000000"):
        (folder / name).symlink_to(top / "canary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert {folder_made(top), folder_made(top)} == {folder}


@pytest.mark.parametrize("found", ["/", "/etc", "{top}/precious", "{top}/pacha-linkedto"])
def test_only_a_folder_of_ours_is_removed(top: Path, found: str) -> None:
    (top / "precious").mkdir(mode=0o700)
    (top / "pacha-linkedto").symlink_to(top / "precious")
    place = here(top, "fresh")
    place.state.update(staging=found.format(top=top))
    staging_dir.remove_leftovers(place)
    assert (top / "precious").exists() and place.state.read() == HostState()
