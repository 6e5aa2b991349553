"""The last word on each host: its owner's alone to write; whatever else lies there is passed over."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.server import check_results
from pacha.server.check_results import CheckResult

BAR = CheckResult(
    host="bar",
    at=1.5,
    code=13,
    tip="ab" * 20,
    made=1.0,
    files=2,
    size=3,
    rehearsed=True,
    faults=("a é", "b"),
    seconds=0.1,
    signature="signed",
    signer="SHA256:" + "a" * 43,
)


@pytest.fixture(name="hosts")
def kept_results(tmp_path: Path) -> Path:
    check_results.write(os.fsencode(tmp_path), BAR)
    return tmp_path


def read(hosts: Path) -> dict[str, CheckResult]:
    return check_results.read(os.fsencode(hosts))


def test_what_is_written_is_read_and_the_last_one_counts(hosts: Path) -> None:
    assert read(hosts) == {"bar": BAR}
    check_results.write(os.fsencode(hosts), replace(BAR, code=0, faults=()))
    check_results.write(os.fsencode(hosts), replace(BAR, host="foo"))
    assert read(hosts) == {"bar": replace(BAR, code=0, faults=()), "foo": replace(BAR, host="foo")}
    assert sorted(os.listdir(hosts / ".pacha")) == ["bar.json", "foo.json"]


def test_it_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        check_results.write(os.fsencode(tmp_path), BAR)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".pacha").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / ".pacha/bar.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o722])
def test_where_others_may_write_nothing_is_read_and_nothing_written(hosts: Path, mode: int) -> None:
    (hosts / ".pacha").chmod(mode)
    assert read(hosts) == {}
    with pytest.raises(OSError):
        check_results.write(os.fsencode(hosts), BAR)


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / ".pacha").symlink_to("elsewhere")
    with pytest.raises(OSError):
        check_results.write(os.fsencode(tmp_path), BAR)
    assert read(tmp_path) == {} and os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"host": "x", "faults": 1}', '{"faults": [], "later": 1}', "\xe9"]
)
def test_a_note_that_makes_no_sense_hides_none(hosts: Path, text: str) -> None:
    (hosts / ".pacha/odd.json").write_bytes(text.encode("latin-1"))
    (hosts / ".pacha/link.json").symlink_to("bar.json")
    (hosts / ".pacha/bar").write_text("no note")
    assert read(hosts) == {"bar": BAR}


def test_whose_note_it_is_is_told_by_its_name(hosts: Path) -> None:
    (hosts / ".pacha/bar.json").rename(hosts / ".pacha/foo.json")
    assert read(hosts) == {"foo": replace(BAR, host="foo")}


def test_before_the_first_check_there_is_none(tmp_path: Path) -> None:
    assert read(tmp_path) == {} and os.listdir(tmp_path) == []
