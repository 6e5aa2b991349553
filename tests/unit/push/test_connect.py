"""The masters of a push: reached until they fail, and not filled where their volume is missing."""

from __future__ import annotations

import os
import shutil
from concurrent import futures

import pytest

from pacha.errors import PachaError
from pacha.files import mount_points
from pacha.push import connect, push
from pacha.system.mounts import Mount
from pacha.wire.local_master import LocalMaster
from pacha.wire.master import RolledBack
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
BROKEN = PachaError("It broke.", "why", "Fix it.", code="it-broke")


def test_a_master_that_is_there_is_reached_until_it_fails(bar: Standalone) -> None:
    session = bar.session()
    with connect.connecting(session) as connections:
        assert session.reached == []
        connect.attach(session, connections)
    (target,) = session.reached
    assert target.probe is not None and target.probe.changelog is None
    session.fail(target, BROKEN)
    assert session.reached == [] and target.failure is BROKEN
    with pytest.raises(RolledBack):
        session.fail(target, RolledBack("x", code="x"))


def test_what_was_opened_ahead_and_is_not_used_leaves_nothing_there(bar: Standalone) -> None:
    """As where the scan fails: half a repository would stay on the master for ever."""
    session = bar.session()
    with connect.connecting(session) as connections:
        connect.attach(session, connections)
        session.open_ahead(["foo"])
        futures.wait(session.reached[0].conversations._opened.values(), 60)
        assert os.listdir(bar.master)
    assert os.listdir(bar.master) == []


def test_every_connection_is_closed_in_the_end(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[LocalMaster] = []
    monkeypatch.setattr(LocalMaster, "close", lambda master: closed.append(master))
    with connect.connecting(bar.session()) as connections:
        master, _ = connections[0].result()
        assert closed == []
    assert closed == [master], "though nothing was attached"


def test_a_local_master_whose_volume_is_not_mounted_is_not_filled_anew(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = bar.master.parent
    mounted = [Mount(b"/", b"ext4"), Mount(os.fsencode(volume), b"ext4")]
    monkeypatch.setattr(mount_points, "mounts", lambda: iter(mounted))
    bar.push()
    del mounted[1]
    volume.rename(bar.top / "unmounted")
    volume.mkdir()
    (bar.tree / "two").touch()
    for _ in range(2):
        pushed = push.push(bar.context())
        assert pushed.failure is not None and pushed.failure.code == "master-not-mounted"
        assert os.listdir(volume) == []
    mounted.append(Mount(os.fsencode(volume), b"ext4"))
    volume.rmdir()
    (bar.top / "unmounted").rename(volume)
    assert bar.push().sent
    del mounted[1]
    shutil.rmtree(bar.master)
    bar.master.mkdir()
    assert push.push(bar.context()).failure is None, "a person made the folder: pacha add-host"
    assert (bar.master / "db").is_dir()
