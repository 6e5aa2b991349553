"""A stage for every test: the sshd and the account are shared, the folders are its own."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forced import Door
from tests.support.forced import door as open_door
from tests.support.sshd import Account, Sshd, admitted
from tests.support.stage import Host, Stage, on_stage, own

# Both servers are on this machine: what the second is asked, it does in a folder of its own.
_ELSEWHERE = """#!/bin/sh
elsewhere() { sed -u 's,\\(/pacha-stage-[^/]*/hosts\\)/,\\12/,g'; }
[ "$SSH_ORIGINAL_COMMAND" != sh ] || { elsewhere | sh; exit; }
eval "$(printf %s "$SSH_ORIGINAL_COMMAND" | elsewhere)"
"""


@pytest.fixture(scope="session")
def bar_user(sshd: Sshd) -> Iterator[Account]:
    """The master's account, which the server lets in with its key."""
    name = "bar_user"
    # Workers that run side by side end each other's processes if they share an account.
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if not first or name in {entry.pw_name for entry in pwd.getpwall()}:
        name = own(name)
    with admitted(sshd, name) as made:
        yield made


@pytest.fixture
def stage(sshd: Sshd, bar_user: Account) -> Iterator[Stage]:
    """A master without any host."""
    with on_stage(sshd, bar_user) as made:
        yield made


@pytest.fixture
def bar(stage: Stage) -> Host:
    """The host of the story."""
    return stage.host("bar")


@pytest.fixture(scope="session")
def door(sshd: Sshd) -> Iterator[Door]:
    """Pacha where the master's accounts can run it."""
    with open_door() as made:
        yield made


@pytest.fixture(scope="module")
def second(sshd: Sshd, bar_user: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Another server, with folders of its own."""
    folder = tmp_path_factory.mktemp("second")
    script = Path("/tmp") / f"pacha-elsewhere-{os.getpid()}"
    script.write_text(_ELSEWHERE)
    script.chmod(0o755)
    with Sshd(folder / "sshd", address="127.0.0.2", extra=[f"ForceCommand {script}"]) as server:
        server.authorize(bar_user.name, Path(f"{sshd.key}.pub"))
        with open(sshd.known_hosts, "a") as known:
            known.write(f"{server.name} {server.public()}\n")
        yield server
    script.unlink()
