"""A repository that is read while it is written."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.store.growth import Abandoned, Growth
from pacha.system import background

NAMES = [b"data/%d.i" % number for number in range(1000)]


@pytest.fixture(name="growth")
def begun(tmp_path: Path) -> Growth:
    (tmp_path / ".new-foo").mkdir()
    growth = Growth()
    growth.begin(str(tmp_path / ".new-foo"))
    return growth


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_names_come_in_turn_and_end_with_the_repository(growth: Growth) -> None:
    with growth.reading() as (_, names):
        for name in NAMES:
            growth.add(name)
        assert next(names) == NAMES[0]
        growth.end(is_whole=True)
        growth.end(is_whole=False)  # too late to be true
        assert list(names) == NAMES[1:]


def test_the_reader_waits(growth: Growth) -> None:
    def read() -> list[bytes]:
        with growth.reading() as (_, names):
            return list(names)

    reading, has_waited = background.start(read), threading.Event()
    assert not has_waited.wait(0.05) and not reading.done()
    for name in NAMES:
        growth.add(name)
    growth.end(is_whole=True)
    assert reading.result(10) == NAMES


def test_the_path_stays_when_the_repository_gets_its_name(growth: Growth, tmp_path: Path) -> None:
    before = descriptors()
    with growth.reading() as (path, _):
        (tmp_path / ".new-foo").rename(tmp_path / "foo")
        (tmp_path / "foo/file").write_text("text")
        assert Path(path, "file").read_text() == "text"
    assert descriptors() == before - 1


def test_what_will_not_be_whole_is_no_end(growth: Growth) -> None:
    def read(names: Iterator[bytes]) -> None:
        for name in names:
            assert name == b"data/a.i"

    growth.add(b"data/a.i")
    growth.end(is_whole=False)
    with growth.reading() as (_, names), pytest.raises(Abandoned):
        read(names)


def test_one_that_never_began() -> None:
    growth = Growth()
    assert not growth.has_begun
    growth.end(is_whole=False)
    assert not growth.has_begun
    with pytest.raises(Abandoned), growth.reading():
        pass
