"""Real trees: copies of the machine's own /etc and /usr/include (or a part) come back; how long that takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.amount import by_turns, is_soak
from tests.support.stage import Host, changed, differences, picture

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]
TREES = ["/etc", "/usr/include" if is_soak() else "/usr/include/linux"]


def timed(action: Callable[[], object]) -> float:
    """How many seconds it takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def clone(source: str, target: Path) -> Path:
    """A copy with all that belongs to it."""
    target.parent.mkdir(parents=True)
    subprocess.run(["rsync", "-aHAX", f"{source}/", f"{target}/"], check=True)
    return target


def by_rsync(host: Host, source: str, target: str) -> None:
    """The same way over the same sshd, as the account of the master."""
    server = host.stage.server
    ssh = f"ssh -p {server.port} -i {server.key} -o UserKnownHostsFile={server.known_hosts} -o BatchMode=yes"
    subprocess.run(["rsync", "-aHAX", "--fake-super", "-e", ssh, source, target], check=True)


def in_the_account(host: Host, name: str) -> str:
    """A folder of the account on the master, for rsync."""
    return f"{host.stage.account.name}@{host.stage.server.address}:{host.stage.account.home}/{name}/"


@pytest.mark.parametrize("source", by_turns(TREES, 2))
def test_a_tree_of_this_machine(bar: Host, tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not os.path.isdir(source):
        pytest.skip(f"this machine has no {source}")
    tree, out = clone(source, tmp_path / "copy" / os.path.basename(source)), tmp_path / "out"
    bar.watch(tree)
    times = {"first push": timed(bar.push), "idle push": timed(bar.push)}
    some = max((path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()), key=os.path.getsize)
    with open(some, "ab") as stream:
        stream.write(b"# changed\n")
    times["one-file push"] = timed(bar.push)
    before = picture(tree)
    times["rebuild"] = timed(lambda: bar.rebuild("--target", out))

    there = Path(f"{out}{tree}")
    assert differences(tree, there) == ""
    assert changed(before, picture(there)) == []
    assert changed(before, picture(tree)) == [], "a rebuild below --target touches nothing else"

    name = os.path.basename(source)
    times["rsync there"] = timed(lambda: by_rsync(bar, f"{tree}/", in_the_account(bar, name)))
    times["rsync again"] = timed(lambda: by_rsync(bar, f"{tree}/", in_the_account(bar, name)))
    times["rsync back"] = timed(lambda: by_rsync(bar, in_the_account(bar, name), f"{tmp_path}/back/"))
    shutil.rmtree(bar.stage.account.home / name)
    with capsys.disabled():
        print(f"\n{source}, {len(before)} paths: " + ", ".join(f"{what} {s:.2f} s" for what, s in times.items()))
