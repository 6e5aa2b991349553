"""Where the last digest stopped: kept 0600, replaced as a whole, one digest at a time, and refused where damaged."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

import pytest

from pacha.errors import DamagedError, LockedError, PachaError
from pacha.fleet import digest_marks
from pacha.fleet.digest_marks import HostMark, Marks

MARKS = Marks(at=5.0, hosts={"bar": HostMark(tip="a" * 40), "baz": HostMark(fault="its folder \x1b")})


def test_written_and_read(tmp_path: Path) -> None:
    with digest_marks.opened(os.fsencode(tmp_path)) as file:
        assert file.read() == Marks()
        file.write(MARKS)
        again = file.read()
    assert again.at == 5.0 and again.hosts["bar"].tip == "a" * 40 and again.hosts["baz"].fault == "its folder \\x1b"
    assert (tmp_path / ".pacha/digest").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / ".pacha").iterdir()] == ["digest"]


def test_one_at_a_time(tmp_path: Path) -> None:
    with digest_marks.opened(os.fsencode(tmp_path)), pytest.raises(LockedError) as caught:
        with digest_marks.opened(os.fsencode(tmp_path)):
            pass
    assert caught.value.code == "digest-at-work"


def test_it_waits_for_another_one(tmp_path: Path) -> None:
    """As where two lines of cron begin in the same minute."""
    with ExitStack() as first:
        first.enter_context(digest_marks.opened(os.fsencode(tmp_path)))
        Timer(0.3, first.close).start()
        with digest_marks.opened(os.fsencode(tmp_path), 20.0) as file:
            assert file.read() == Marks()


def test_one_without_the_times_of_hosts(tmp_path: Path) -> None:
    with digest_marks.opened(os.fsencode(tmp_path)) as file:
        (tmp_path / ".pacha/digest").write_text('{"version": 1, "at": 5, "hosts": {"bar": {"tip": "", "fault": ""}}}')
        assert file.read() == Marks(at=5.0, hosts={"bar": HostMark()})
        file.write(Marks(hosts={"bar": HostMark(at=7.0)}))
        assert file.read() == Marks(hosts={"bar": HostMark(at=7.0)})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"version": 2, "at": 1, "hosts": {}}', '{"version": 1, "at": NaN, "hosts": {}}', "\xff",
        '{"version": 1, "at": 1, "hosts": {"bar": {"tip": "x", "fault": ""}}}', '{"version": 1, "at": 1, "hosts": []}',
        '{"version": 1, "at": 1, "hosts": {"bar": {"tip": "", "fault": 7}}}',
    ],
)  # fmt: skip
def test_damaged(tmp_path: Path, text: str) -> None:
    with digest_marks.opened(os.fsencode(tmp_path)) as file:
        (tmp_path / ".pacha/digest").write_text(text)
        with pytest.raises(DamagedError) as caught:
            file.read()
    assert caught.value.code == "digest-marks-damaged"


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    with digest_marks.opened(os.fsencode(tmp_path)) as file:
        file.write(MARKS)
    (tmp_path / ".pacha/.digest.0123").write_text("half")
    with digest_marks.opened(os.fsencode(tmp_path)):
        pass
    assert [path.name for path in (tmp_path / ".pacha").iterdir()] == ["digest"]


def test_a_folder_of_others_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".pacha").symlink_to("elsewhere")
    with pytest.raises(PachaError) as caught, digest_marks.opened(os.fsencode(tmp_path)):
        pass
    assert caught.value.code == "digest-marks-unusable"
