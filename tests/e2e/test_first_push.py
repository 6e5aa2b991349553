"""A first push sends the finished store as one stream, into a repository that has no name before it is whole."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from pacha.wire import control
from tests.e2e.forced import Door
from tests.e2e.stage import Host, Stage, changed, picture, said, small_disk
from tests.e2e.test_cuts import Cutter


@pytest.fixture(params=["plain", "forced"])
def fresh(request: pytest.FixtureRequest, stage: Stage, door: Door) -> Host:
    """A host that watches 600 KB and has never pushed."""
    host = door.host(stage) if request.param == "forced" else stage.host("bar")
    foo = stage.folder / "opt" / "foo"
    (foo / "below").mkdir(parents=True)
    for number in range(30):
        (foo / "below" / f"File {number}").write_bytes(os.urandom(20_000))
    host.watch(foo)
    return host


def history(repository: Path) -> dict[str, bytes]:
    """The files of a repository's history."""
    store = repository / ".hg" / "store"
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*.[id]")}


def beside(host: Host) -> list[str]:
    """What there is in the host's folder that has no name yet."""
    return [name for name in os.listdir(host.repository("")) if name.startswith(".new")]


def check_whole(host: Host) -> None:
    """The master has everything, and gives it back."""
    host.verify_master()
    foo = host.stage.folder / "opt" / "foo"
    out = host.stage.folder / "out"
    host.rebuild("--target", out)
    assert changed(picture(foo), picture(out / foo.relative_to("/"))) == []


def test_the_master_gets_the_files_themselves(fresh: Host) -> None:
    fresh.push()
    for name in ("foo", "db"):
        assert history(fresh.repository(name)) == history(fresh.state / "repos" / name)
    assert beside(fresh) == []
    check_whole(fresh)


@pytest.mark.parametrize("limit", [120_000])
def test_a_first_push_that_is_cut_off_leaves_nothing_by_a_name(fresh: Host, limit: int) -> None:
    server = fresh.stage.server
    with Cutter((server.address, server.port), limit, stall_it=False) as relay:
        server.trust(f"[127.0.0.1]:{relay.port}")
        fresh.configure(ssh_port=str(relay.port))
        fresh.push(code=11)
    fresh.configure(ssh_port=str(server.port))
    assert [name for name in fresh.on_master() if fresh.on_master()[name] == ""] == []
    fresh.push()
    assert "nothing changed" in fresh.push().out
    check_whole(fresh)


def test_a_disk_that_fills_up_meanwhile(fresh: Host, stage: Stage) -> None:
    uid, place = pwd.getpwnam(stage.account.name).pw_uid, fresh.repository("")
    with small_disk(place, "400k", [f"uid={uid}"]) as disk:
        plain = fresh.settings.get("pacha.ssh.key") is None
        said(fresh.push(code=1), "No space left", f"remove {place}/.new-foo-00000000" if plain else "Make room")
        assert bool([path for path in disk.rglob("*") if path.stat().st_size > 10_000]) is plain, "it keeps the room"
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        fresh.push()
        check_whole(fresh)


def test_a_new_path_of_an_old_host_is_sent_so(fresh: Host) -> None:
    fresh.push()
    more = fresh.stage.folder / "opt" / "more"
    more.mkdir()
    (more / "one").write_text("one\n")
    fresh.watch(more)
    fresh.push()
    assert history(fresh.repository("more")) == history(fresh.state / "repos" / "more")
    fresh.verify_master()


def test_a_new_path_that_gets_no_name_is_none_that_db_names(fresh: Host) -> None:
    fresh.push()
    before = fresh.on_master()["db"]
    more = fresh.stage.folder / "opt" / "more"
    more.mkdir()
    (more / "one").write_text("one\n")
    fresh.watch(more)
    fresh.repository("more").mkdir()
    (fresh.repository("more") / "in the way").touch()
    fresh.push(code=1)
    assert fresh.on_master()["db"] == before


def test_db_gets_no_name_where_another_got_none(stage: Stage, door: Door) -> None:
    """Pacha on the master gives a repository its name when nothing more comes, be that for the fault of another."""
    fails = "from pacha.actions.host_folder import HostFolder\nfrom pacha.errors import PachaError\n"
    fails += "place = HostFolder.place\ndef no_foo(self, beside, name):\n"
    fails += "    if name == 'foo':\n        raise PachaError('No foo.')\n"
    fails += "    place(self, beside, name)\nHostFolder.place = no_foo\n"
    host = door.host(stage, program=door.program("pacha-without-foo", fails))
    foo = stage.folder / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "one").write_text("one\n")
    host.watch(foo)
    said(host.push(code=1), "No foo.")
    assert host.on_master() == {}


def test_a_master_whose_pacha_knows_nothing_of_it(stage: Stage, door: Door) -> None:
    older = door.other(1, [what for what in control.CAPABILITIES if what != control.NEW])
    host = door.host(stage, program=older)
    foo = stage.folder / "opt" / "foo"
    foo.mkdir(parents=True)
    (foo / "one").write_text("one\n")
    host.watch(foo)
    host.push()
    check_whole(host)
