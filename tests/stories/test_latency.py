"""A long line: a rebuild waits for the master a fixed number of times, however many files there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sshd import Relay
from tests.support.stage import Host, Stage, differences

pytestmark = pytest.mark.slow

ROUND_TRIP = 0.1  #: seconds
#: How often a run may turn to the master: logging in takes six; then a few times for each of two repositories.
#: The transport's own window messages come on top, a few for each megabyte.
TURNS = 25


def make_tree(top: Path, files: int) -> None:
    """Small files in folders of fifty, as below /etc."""
    for number in range(files):
        folder = top / f"folder{number // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{number}.conf").write_text(f"# number {number}\n" + "setting = value\n" * (number % 90))


def turns_of_a_rebuild(stage: Stage, files: int) -> int:
    """Push a tree of that many files, rebuild it through a long line; how often the line turned."""
    host = stage.host(f"bar{files}")
    tree, out = stage.folder / f"tree{files}", stage.folder / f"out{files}"
    make_tree(tree, files)
    host.watch(tree)
    host.push()
    with Relay((stage.server.address, stage.server.port), rtt=ROUND_TRIP) as relay:
        stage.server.trust(f"[127.0.0.1]:{relay.port}")
        host.configure(ssh_port=str(relay.port))
        host.rebuild("--target", out)
        assert differences(tree, Path(f"{out}{tree}")) == ""
        return relay.turns


def test_a_rebuild_does_not_wait_for_each_file(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    few, many = turns_of_a_rebuild(stage, 150), turns_of_a_rebuild(stage, 1500)
    with capsys.disabled():
        print(f"\nturns of the line: {few} for 150 files, {many} for 1,500")
    assert few <= TURNS and many <= TURNS
    assert many - few <= 6


def test_neither_an_idle_push_nor_a_rebuild_waits_for_each_path(bar: Host) -> None:
    trees = [bar.stage.folder / f"tree{number}" for number in range(6)]
    for tree in trees:
        make_tree(tree, 2)
    bar.watch(*trees)
    bar.push()
    with Relay((bar.stage.server.address, bar.stage.server.port), rtt=ROUND_TRIP) as relay:
        bar.stage.server.trust(f"[127.0.0.1]:{relay.port}")
        bar.configure(ssh_port=str(relay.port))
        bar.push()
        assert relay.turns <= TURNS
        idle = relay.turns
        bar.rebuild("--target", bar.stage.folder / "out")
        assert relay.turns - idle <= 18
    for tree in trees:
        assert differences(tree, Path(f"{bar.stage.folder}/out{tree}")) == ""
