"""The folder with what was not put back: for its owner alone, and written anew each time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.fetch.spool import Spool
from pacha.rebuild import aside


@pytest.fixture(name="spool")
def filled(tmp_path: Path) -> Iterator[Spool]:
    (tmp_path / "content").write_bytes(b"onetwo")
    with open(tmp_path / "content", "rb") as file:
        fd = file.fileno()
        yield Spool(places={b"/etc/fstab": (fd, 0, 3), b"/etc/a/b": (fd, 3, 3)})


def test_it_is_written_for_its_owner_alone(tmp_path: Path, spool: Spool) -> None:
    place = Path(os.fsdecode(aside.folder(tmp_path, "bar")))
    aside.write(os.fsencode(place), [b"/etc/fstab", b"/etc/a/b", b"/etc/a-link"], spool)
    assert (place / "etc/fstab").read_bytes() == b"one" and (place / "etc/a/b").read_bytes() == b"two"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (place, place / "etc", place / "etc/a")}
    assert modes == {0o700} and stat.S_IMODE((place / "etc/a/b").stat().st_mode) == 0o600


def test_what_an_earlier_rebuild_left_gives_way_and_no_link_is_followed(tmp_path: Path, spool: Spool) -> None:
    place = tmp_path / "from-bar"
    (place / "etc/fstab").mkdir(parents=True)
    (place / "etc/a").symlink_to(tmp_path)
    aside.write(os.fsencode(place), [b"/etc/fstab", b"/etc/a/b"], spool)
    assert (place / "etc/fstab").read_bytes() == b"one" and (place / "etc/a/b").read_bytes() == b"two"
    assert not (tmp_path / "b").exists()


def test_nothing_is_made_for_nothing(tmp_path: Path, spool: Spool) -> None:
    aside.write(os.fsencode(tmp_path / "from-bar"), [b"/etc/a-link"], spool)
    assert not (tmp_path / "from-bar").exists()


def test_a_folder_that_cannot_be_made_stops_the_rebuild(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(PachaError) as caught:
        aside.write(os.fsencode(tmp_path / "absent/from-bar"), [b"/etc/fstab"], spool)
    assert caught.value.code == "aside-not-written"
