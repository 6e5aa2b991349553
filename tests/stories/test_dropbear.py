"""A master whose server is dropbear, which hangs up over several commands at once that OpenSSH takes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pacha.wire.ssh import Connection, resolve
from pacha.wire.ssh.commands import MAX_STREAMS
from tests.support.dropbear import dropbear
from tests.support.forced import Door
from tests.support.sshd import Account, Relay, account
from tests.support.stage import Host, Stage, differences, on_stage, own


@pytest.fixture(scope="module")
def user() -> Iterator[Account]:
    """The master's account, whose home lies where it can reach it."""
    with account(own("pacha-bear")) as made:
        yield made


@pytest.fixture
def stage(user: Account, tmp_path: Path) -> Iterator[Stage]:
    """Its master, over a line that is long enough for commands to end while others begin."""
    with (
        dropbear(tmp_path / "dropbear", user) as server,
        Relay((server.address, server.port), rtt=0.05) as relay,
        on_stage(server, user) as made,
    ):
        key = server.known_hosts.read_text().split(maxsplit=1)[1]
        server.port = relay.port
        server.known_hosts.write_text(f"{server.name} {key}")
        yield made


def push_and_rebuild(host: Host, folder: Path) -> None:
    trees = [folder / f"tree{number}" for number in range(3)]
    for tree in trees:
        tree.mkdir()
        for number in range(10):
            (tree / f"file{number}").write_text(f"{tree} {number}\n")
    host.watch(*trees)
    host.push()
    (trees[0] / "file0").write_text("changed\n")
    host.push()
    host.push()
    host.forget()
    host.rebuild("--target", folder / "out")
    assert [differences(tree, Path(f"{folder}/out{tree}")) for tree in trees] == [""] * 3


def test_a_plain_account(stage: Stage, tmp_path: Path) -> None:
    host = stage.host("bar")
    push_and_rebuild(host, tmp_path)
    assert "ok    programs" in host.pacha("doctor").out


def test_a_forced_command(stage: Stage, tmp_path: Path, door: Door) -> None:
    push_and_rebuild(door.host(stage), tmp_path)


def test_many_commands_at_once(stage: Stage) -> None:
    server = stage.server
    found = resolve(
        server.address,
        user=stage.account.name,
        port=server.port,
        key=str(server.key),
        known_hosts=str(server.known_hosts),
        ssh_config=None,
    )
    with Connection.open(found) as connection, ThreadPoolExecutor(MAX_STREAMS) as pool:
        words = [str(number) for number in range(40)]
        results = list(pool.map(lambda word: connection.run(["echo", word]), words))
    assert [result.stdout.decode().strip() for result in results] == words
