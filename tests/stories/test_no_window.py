"""No window: while a rebuild is at work nobody but the final owner can read a private byte or use a setuid bit.

Another user's process looks at everything that it can reach, again and again, while strace holds the rebuild up after
each call that changes anything (``delay_exit``): what is open between two calls is open long enough to be seen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.stage import PACHA

pytestmark = pytest.mark.usefixtures("as_root")
NOBODY, DAEMON = 65534, 1
MARK = "PRIVATE"
CALLS = "write,pwrite64,chmod,fchmod,fchmodat,chown,fchown,fchownat,lchown,mkdir,mkdirat,mknodat,linkat,\
symlinkat,rename,renameat,renameat2,setxattr,fsetxattr,utimensat"

#: Prints a line for each private byte it read and each setuid file it saw, until its input ends.
_POLLER = """
import json, os, select, stat, sys
seen = set()
def tell(*what):
    if what not in seen:
        seen.add(what)
        print(json.dumps(what), flush=True)
def look(folder):
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        path = folder + "/" + name
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode):
                look(path)
            elif stat.S_ISREG(status.st_mode):
                if status.st_mode & 0o6000:
                    tell("setid", path, status.st_uid, status.st_gid, oct(status.st_mode))
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
                if b"PRIVATE" in os.read(fd, 65536):
                    tell("read", path)
                os.close(fd)
        except OSError:
            continue
print("ready", flush=True)
rounds = 0
while not select.select([0], [], [], 0)[0]:
    for folder in sys.argv[1:]:
        look(folder)
    rounds += 1
print(json.dumps(["rounds", rounds]), flush=True)
"""


@contextmanager
def poller(*folders: Path) -> Iterator[list[list[object]]]:
    """What another user gets to see in ``folders`` while the block runs; complete when it has ended."""
    found: list[list[object]] = []
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    with subprocess.Popen(
        [python, "-I", "-S", "-c", _POLLER, *folders],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
    ) as process:  # fmt: skip
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield found
        out, _ = process.communicate("")
    found += [json.loads(line) for line in out.splitlines()]
    assert found.pop()[1] > 10, "it hardly looked"  # type: ignore[operator]


@pytest.fixture
def top(tmp_path: Path) -> Iterator[Path]:
    """A folder that everybody can reach."""
    made = Path(f"/tmp/pacha-window-{os.getpid()}")
    made.mkdir(mode=0o755)
    (made / "tmp").mkdir()
    (made / "tmp").chmod(0o1777)
    yield made
    shutil.rmtree(made)


def write(path: Path, mode: int, text: str = f"{MARK}\n" * 100, owner: int = 0, group: int = 0) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.chown(path, owner, group)
    path.chmod(mode)


def make(tree: Path) -> None:
    tree.mkdir(mode=0o755)
    write(tree / "secret", 0o600)
    write(tree / "in the way", 0o600)
    write(tree / "of a group", 0o640, group=DAEMON)
    write(tree / "of another", 0o400, owner=DAEMON)
    write(tree / "public", 0o644, "for all\n")
    write(tree / "tool", 0o4755, "#!\n", owner=DAEMON)
    write(tree / "group tool", 0o2755, "#!\n", group=DAEMON)
    write(tree / "private" / "open", 0o644)
    write(tree / "private" / "tool", 0o4755, "#!\n", owner=DAEMON)
    write(tree / "narrowed" / "open", 0o644)
    write(tree / "narrowed" / "in the way", 0o666)
    (tree / "narrowed" / "deep").mkdir()
    write(tree / "narrowed" / "deep" / "open", 0o644)
    write(tree / "handed over" / "open", 0o644)
    os.link(tree / "secret", tree / "second name")
    for name in ("private", "narrowed"):
        (tree / name).chmod(0o700)
    os.chown(tree / "handed over", DAEMON, DAEMON)
    (tree / "handed over").chmod(0o700)


def put_in_the_way(tree: Path) -> None:
    """What is there before the rebuild: folders open to all, other files."""
    tree.mkdir(mode=0o755)
    write(tree / "in the way", 0o644, "old\n")
    write(tree / "tool", 0o644, "#!\n")
    write(tree / "narrowed" / "in the way", 0o644, "old\n")
    (tree / "handed over").mkdir()
    os.chown(tree / "handed over", NOBODY, NOBODY)


def run(
    top: Path, *words: str, state: str, held_up: bool = False, umask: int = 0o022
) -> subprocess.CompletedProcess[str]:
    (top / "conf").write_text(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {top}/hosts\npacha.hostname = bar\n")
    places = {"PACHA_STATE": f"{top}/{state}", "PACHA_CONFIG": f"{top}/conf", "TMPDIR": f"{top}/tmp", "HOME": f"{top}"}
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:delay_exit=2000"]
    done = subprocess.run(
        [*(strace if held_up else []), PACHA, *words],
        env={**os.environ, **places}, capture_output=True, text=True, stdin=subprocess.DEVNULL, umask=umask,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nothing_is_open_at_any_instant(top: Path, umask: int) -> None:
    tree = top / "tree"
    make(tree)
    run(top, "watch", str(tree), state="bar")
    run(top, "push", state="bar")
    shutil.rmtree(tree)
    put_in_the_way(tree)
    with poller(top) as seen:
        run(top, "rebuild", "bar", "--yes", state="fresh", held_up=True, umask=umask)
    assert (tree / "narrowed" / "deep" / "open").read_text().startswith(MARK)
    wrong = [what for what in seen if what[0] == "read" or (what[2], what[3]) not in ((DAEMON, 0), (0, DAEMON))]
    assert wrong == [], wrong
    assert any(what[1] == f"{tree}/tool" for what in seen), "it saw nothing of what it may see"


#: As a restore must not be; many times, since on a busy machine the poller may not come round at once.
LEAKY = """
import os, sys, time
secret, tool = sys.argv[1] + "/secret", sys.argv[1] + "/tool"
for _ in range(20):
    with open(secret, "w") as stream:
        stream.write("PRIVATE")
        stream.flush()
        time.sleep(0.02)
        os.chmod(secret, 0o600)
    with open(tool, "w") as stream:
        os.chmod(tool, 0o4755)
        time.sleep(0.02)
        os.chown(tool, 1, 0)
    os.unlink(secret)
    os.unlink(tool)
"""


def test_the_poller_would_see_a_leak(top: Path) -> None:
    tree = top / "tree"
    tree.mkdir()
    with poller(top) as seen:
        subprocess.run([sys.executable, "-I", "-S", "-c", LEAKY, tree], check=True)
    assert ["read", f"{tree}/secret"] in seen
    assert any(what[:3] == ["setid", f"{tree}/tool", 0] for what in seen)
