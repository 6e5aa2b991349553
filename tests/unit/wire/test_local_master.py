"""A master that is a folder here: what of a store is copied, and that nothing in it leads elsewhere."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.store.growth import Abandoned
from pacha.wire.local_master import LocalMaster, StateFolderMaster
from pacha.wire.master import CannotStream, NoHost, NoRepository
from pacha.wire.scp import Received


@pytest.fixture(name="master")
def folder_master(tmp_path: Path) -> LocalMaster:
    return LocalMaster(os.fsencode(tmp_path / "hosts"), lambda path: os.makedirs(os.path.join(path, ".hg/store/data")))


@pytest.fixture(name="inbox")
def empty_folder(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "inbox").mkdir(mode=0o700)
    fd = os.open(tmp_path / "inbox", os.O_RDONLY)
    yield fd
    os.close(fd)


def test_the_history_is_copied_and_nothing_beside_it(tmp_path: Path, master: LocalMaster, inbox: int) -> None:
    master.make_host("bar")
    master.create("bar", "etc")
    store = tmp_path / "hosts/bar/etc/.hg/store"
    for name in ("00changelog.i", "data/a.i", "undo", "requires"):
        (store / name).write_text(name)
    (store / "lock").symlink_to("host:1")
    told: list[Received] = []
    totals = master.fetch("bar", "etc", inbox, told.append)
    copied = sorted(str(path.relative_to(tmp_path / "inbox")) for path in (tmp_path / "inbox").rglob("*"))
    assert copied == ["00changelog.i", "data", "data/a.i", "requires"]
    assert (totals.files, totals.size) == (3, sum(one.size for one in told)) and len(told) == 3
    assert (tmp_path / "inbox/data/a.i").read_text() == "data/a.i"


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_plain_file_is_damage(tmp_path: Path, master: LocalMaster, inbox: int, kind: str) -> None:
    master.create("bar", "etc")
    odd = tmp_path / "hosts/bar/etc/.hg/store/data/a.i"
    odd.symlink_to("/etc/hostname") if kind == "link" else os.mkfifo(odd)
    with pytest.raises(DamagedError) as caught:
        master.fetch("bar", "etc", inbox, lambda received: None)
    assert caught.value.code == "not-a-plain-file"


def test_what_is_not_there_is_told(tmp_path: Path, master: LocalMaster, inbox: int) -> None:
    with pytest.raises(NoHost):
        master.fetch("bar", "etc", inbox, lambda received: None)
    with pytest.raises(NoRepository), master.serve("bar", "etc"):
        pass
    assert master.fetch_hooks("bar", inbox) == [] and master.probe("bar", ["etc"]).contents == {"etc": None}
    (tmp_path / "hosts").write_text("no folder")
    with pytest.raises(PachaError) as caught:
        master.make_host("bar")
    assert caught.value.code == "host-folder-not-made"


def filled(tmp_path: Path, master: LocalMaster, own: Path) -> list[str]:
    """What the host's folder has after a first push of the repository ``own``."""
    master.make_host("bar")
    with suppress(CannotStream), master.new("bar", "etc") as temporary:
        assert [path.name.startswith(".new-etc-") for path in (tmp_path / "hosts/bar").iterdir()] == [True]
        temporary.fill(str(own))
    return sorted(path.name for path in (tmp_path / "hosts/bar").iterdir())


def test_a_first_push_copies_the_history_alone(tmp_path: Path, master: LocalMaster) -> None:
    """It gets its name when it is whole."""
    own = tmp_path / "own"
    (own / ".hg/store/data").mkdir(parents=True)
    for name in ("00changelog.i", "data/a.i", "phaseroots", "undo"):
        (own / ".hg/store" / name).write_text(name)
    (own / ".hg/hgrc").touch()
    assert filled(tmp_path, master, own) == ["etc"]
    made = tmp_path / "hosts/bar/etc"
    paths = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
    assert paths == [".hg/store/00changelog.i", ".hg/store/data/a.i"]
    assert {stat.S_IMODE((made / path).stat().st_mode) for path in paths} == {0o600}
    with pytest.raises(CannotStream), master.new("bar", "etc"):
        pass


@pytest.mark.parametrize("what", ["another format", "a link"])
def test_what_cannot_be_copied_leaves_nothing_there(tmp_path: Path, master: LocalMaster, what: str) -> None:
    own = tmp_path / "own"
    (own / ".hg/store/data").mkdir(parents=True)
    if what == "a link":
        (own / ".hg/store/00changelog.i").symlink_to("/etc/hostname")
    else:
        (own / ".hg/requires").write_text("of-the-future\n")
    assert filled(tmp_path, master, own) == []


def test_a_history_that_will_not_be_whole_leaves_nothing_there(tmp_path: Path, master: LocalMaster) -> None:
    own = tmp_path / "own"
    (own / ".hg/store/data").mkdir(parents=True)
    (own / ".hg/store/data/a.i").touch()
    master.make_host("bar")

    def names() -> Iterator[bytes]:
        yield b"data/a.i"
        (made,) = (tmp_path / "hosts/bar").rglob("a.i")
        assert made.name == "a.i", "it is there as soon as it is named"
        raise Abandoned

    with pytest.raises(Abandoned), master.new("bar", "etc") as temporary:
        temporary.fill(str(own), names())
    assert list((tmp_path / "hosts/bar").iterdir()) == []


def killed(master: LocalMaster, own: Path) -> None:
    """A first push that is killed when everything is copied."""
    if (child := os.fork()) == 0:
        with master.new("bar", "etc") as temporary:
            temporary.fill(str(own))
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_killed_push_leaves_nothing_to_the_next(tmp_path: Path, master: LocalMaster) -> None:
    own = tmp_path / "own"
    (own / ".hg/store/data").mkdir(parents=True)
    (own / ".hg/store/00changelog.i").touch()
    master.make_host("bar")
    for _ in range(3):
        killed(master, own)
    assert len(os.listdir(tmp_path / "hosts/bar")) == 1
    assert filled(tmp_path, master, own) == ["etc"]


def test_of_two_at_once_the_second_is_told(tmp_path: Path, master: LocalMaster) -> None:
    """One of them finds the folder in use, and makes a repository with the name itself."""
    own = tmp_path / "own"
    (own / ".hg/store/data").mkdir(parents=True)
    (own / ".hg/store/00changelog.i").touch()
    master.make_host("bar")
    with pytest.raises(PachaError) as caught, master.new("bar", "etc") as temporary:
        with pytest.raises(CannotStream), master.new("bar", "etc"):
            pass
        temporary.fill(str(own))
        master.create("bar", "etc")
    assert caught.value.code == "push-overtaken" and os.listdir(tmp_path / "hosts/bar") == ["etc"]


def test_the_heartbeat_takes_the_place_of_the_last_one(tmp_path: Path, master: LocalMaster) -> None:
    master.make_host("bar")
    for line in (b"first, longer\n", b"second\n"):
        assert master.leave_heartbeat("bar", line, durable=line.startswith(b"s")) is None
    assert (tmp_path / "hosts/bar/last-push").read_bytes() == b"second\n"
    assert os.listdir(tmp_path / "hosts/bar") == ["last-push"]
    probe = master.leave_heartbeat("bar", b"x", durable=False, look=["etc"])
    assert probe is not None and probe.contents == {"etc": None}


def test_the_nearest_folder_is_examined(master: LocalMaster) -> None:
    found = master.examine("bar")
    assert found.trouble == "" and found.free and found.may == {"push", "rebuild"}


def test_a_state_folder_is_read_where_it_lies(tmp_path: Path) -> None:
    own = StateFolderMaster(os.fsencode(tmp_path))
    assert own.local_path("etc") is not None and LocalMaster(b"/x", print).local_path("etc") is None


def test_nothing_is_written_behind_what_removes_it(tmp_path: Path, master: LocalMaster) -> None:
    """A push that fails while another thread still copies."""
    own = tmp_path / "own"
    master._create(str(own))  # of the same format
    for number in range(5):
        (own / f".hg/store/data/{number}.i").write_bytes(b"log")
    master.make_host("bar")
    begun = threading.Event()

    def names() -> Iterator[bytes]:
        for number in range(5):
            begun.set()
            time.sleep(0.05)  # it takes long to make
            yield b"data/%d.i" % number

    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(Abandoned), master.new("bar", "foo") as repository:
            filling = pool.submit(repository.fill, str(own), names())
            begun.wait(10)
            raise Abandoned
        assert filling.done() and list((tmp_path / "hosts/bar").iterdir()) == []
    for late in (filling.result, lambda: repository.fill(str(own))):
        with pytest.raises(CannotStream):
            late()
