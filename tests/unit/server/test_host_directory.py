"""A host's folder on the master: what is asked of it is done in it, and nothing in it is followed or waited for."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.server.host_directory import NOTE_MAX, HostDirectory
from pacha.store.revision import KNOWN_REQUIREMENTS, PLAIN
from pacha.wire.master import NoRepository, temporary_name

KNOWN = KNOWN_REQUIREMENTS


@pytest.fixture(name="bar")
def made_folder(tmp_path: Path) -> HostDirectory:
    made = HostDirectory(os.fsencode(tmp_path), "bar")
    made.make()
    return made


def repository(tmp_path: Path, name: str = "etc", text: bytes = b"log", requires: frozenset[bytes] = PLAIN) -> Path:
    store = tmp_path / "bar" / name / ".hg/store"
    store.mkdir(parents=True)
    (store.parent / "requires").write_bytes(b"share-safe\n")
    (store / "requires").write_bytes(b"\n".join(sorted(requires)))
    (store / "00changelog.i").write_bytes(text)
    return store.parent.parent


def test_it_is_made_once_and_private(bar: HostDirectory, tmp_path: Path) -> None:
    (tmp_path / "bar/x").touch()
    bar.make()
    assert stat.S_IMODE((tmp_path / "bar").stat().st_mode) == 0o700 and (tmp_path / "bar/x").exists()


def test_a_first_look_tells_each_repository_and_the_clock(bar: HostDirectory, tmp_path: Path) -> None:
    for name in ("db", "etc"):
        repository(tmp_path, name, name.encode())
    (tmp_path / "bar/last-push").touch()
    (tmp_path / "bar/empty").mkdir()
    probe = bar.probe(frozenset(["push"]))
    digests = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("db", "etc")}
    assert probe.contents == digests and probe.changelog == digests["db"]
    assert probe.may == {"push"} and abs(probe.clock - time.time()) < 60
    assert bar.digest("none/x") is None


def test_nothing_is_followed_and_nothing_waited_for(bar: HostDirectory, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "bar/link").symlink_to("../secret")
    os.mkfifo(tmp_path / "bar/pipe")
    (tmp_path / "bar/last-push.new").symlink_to("../secret")
    assert bar.digest("pipe") == hashlib.sha256(b"").hexdigest()
    with pytest.raises(PachaError):
        bar.digest("link")
    with pytest.raises(PachaError):
        bar.note(b"forged")
    assert (tmp_path / "secret").read_text() == "secret"


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "foo").mkdir()
    (tmp_path / "bar").symlink_to("foo")
    with pytest.raises(PachaError):
        HostDirectory(os.fsencode(tmp_path), "bar").digest("x")


def test_a_heartbeat_is_written_beside_and_then_takes_the_place(bar: HostDirectory, tmp_path: Path) -> None:
    bar.note(b"first")
    assert not (tmp_path / "bar/last-push").exists()
    bar.beat()
    bar.note(b"second, longer")
    assert (tmp_path / "bar/last-push").read_bytes() == b"first"
    bar.beat()
    assert (tmp_path / "bar/last-push").read_bytes() == b"second, longer"
    bar.note(bytes(NOTE_MAX))
    with pytest.raises(PachaError) as caught:
        bar.note(bytes(NOTE_MAX + 1))
    assert caught.value.code == "heartbeat-too-long"


def test_a_repository_is_served_only_as_far_as_its_format_is_known(bar: HostDirectory, tmp_path: Path) -> None:
    with pytest.raises(NoRepository):
        bar.repository("etc", KNOWN)
    made = repository(tmp_path)
    assert bar.repository("etc", KNOWN) == str(made)
    repository(tmp_path, "odd", requires=PLAIN | {b"of-the-future"})
    with pytest.raises(DamagedError) as caught:
        bar.repository("odd", KNOWN)
    assert caught.value.code == "repository-format-unknown"
    (made / ".hg/store/data").symlink_to("/etc")
    with pytest.raises(DamagedError):
        bar.repository("etc", KNOWN)


def test_room_is_made_of_what_was_half_made_and_of_nothing_else(bar: HostDirectory, tmp_path: Path) -> None:
    assert bar.room_for("etc") == str(tmp_path / "bar/etc")
    (tmp_path / "bar/etc/.hg/store").mkdir(parents=True)
    (tmp_path / "bar/.new-etc/x").mkdir(parents=True)
    assert bar.room_for("etc") == str(tmp_path / "bar/etc") and os.listdir(tmp_path / "bar") == []
    repository(tmp_path)
    assert bar.room_for("etc") is None
    (tmp_path / "bar/opt").mkdir()
    (tmp_path / "bar/opt/precious").touch()
    with pytest.raises(DamagedError):
        bar.room_for("opt")
    assert (tmp_path / "bar/opt/precious").exists()


def test_one_process_fills_a_temporary_one_and_what_got_no_name_is_removed(bar: HostDirectory, tmp_path: Path) -> None:
    temporary = temporary_name("etc")
    with bar.claim_temporary(temporary, "etc") as first:
        assert first is not None
        with bar.claim_temporary(temporary, "etc") as second:
            assert second is None
        os.makedirs(first)
    assert os.listdir(tmp_path / "bar") == []


def test_the_folder_and_its_room_are_looked_at(bar: HostDirectory) -> None:
    writable, free = bar.examine()
    assert writable and free > 0
    bar.sync()
