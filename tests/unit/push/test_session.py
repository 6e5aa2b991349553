"""One push: its state is that of the state folder, and what hinders one master does not stop the push."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from pacha.errors import Concern, PachaError
from pacha.files import mount_points
from pacha.push import push
from pacha.store.snapshot import Snapshot
from pacha.system.mounts import Mount
from pacha.wire.master import RolledBack
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
BROKEN = PachaError("It broke.", "why", "Mend it.", code="it-broke")


def test_what_is_updated_is_so_here_and_in_the_folder(bar: Standalone) -> None:
    session = bar.session()
    session.update(tip="ab", pending=True)
    assert session.state == bar.context().state.read() and session.state.tip == "ab"


def test_a_master_that_is_there_is_reached_until_it_fails(bar: Standalone) -> None:
    session = bar.session()
    with session.connecting() as connections:
        assert session.reached == []
        session.attach(connections)
    (target,) = session.reached
    assert target.probe is not None and target.probe.changelog is None
    session.fail(target, BROKEN)
    assert session.reached == [] and target.failure is BROKEN
    with pytest.raises(RolledBack):
        session.fail(target, RolledBack("x", code="x"))


def test_what_became_of_each_master_is_recorded(bar: Standalone) -> None:
    failed = bar.session()
    failed.fail(failed.targets[0], BROKEN)
    failed.concerns += [Concern(b"/%d" % number, "x") for number in range(150)]
    failed.record()
    state = bar.context().state.read()
    assert (state.failure, state.cure, state.succeeded) == ("It broke. why", "Mend it.", 0)
    assert len(state.concerns) == 100 and state.masters["local"].failure == "It broke. why"
    well = bar.session()
    with well.connecting() as connections:
        well.attach(connections)
    well.record()
    state = bar.context().state.read()
    assert (state.failure, state.cure, state.concerns) == ("", "", ()) and state.succeeded > 0


def test_a_note_says_who_and_has_nothing_that_a_terminal_obeys(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "evil\x1b[2J")
    session = bar.session()
    session.message = "why\x1b\nsecond\n"
    note = session.note("bar: 1 added")
    assert note.user.startswith("evil") and note.user.isprintable() and note.at > 0
    assert all(line.isprintable() for line in note.message.splitlines()) and "second" in note.message


def test_the_heartbeat_tells_of_the_snapshot(bar: Standalone) -> None:
    tip = bar.push().tip
    beat = json.loads((bar.master / "last-push").read_text())
    assert (beat["tip"], beat["exit"], beat["paths"], beat["files"], beat["size"]) == (tip, 0, 1, 1, 4)
    assert beat["frequency"] == 12


def test_how_long_our_own_history_is(bar: Standalone) -> None:
    assert bar.session().history() == 0
    bar.push()
    assert bar.session().history() == bar.context().state.read().history > 0


def test_nothing_is_delivered_where_nobody_is_reached(bar: Standalone) -> None:
    assert not bar.session().deliver(Snapshot(), "ab")


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
