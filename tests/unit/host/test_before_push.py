"""The before-push programs: which would run, in which order, and which not, and why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.host import before_push, doctor
from pacha.host.before_push import BeforePush, find
from tests.support.before_push import program
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_they_are_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    names = ["10-a", "20-b", "9-z", "B", "a"]
    for name in reversed(names):
        program(tmp_path, name, "true")
    assert find(tmp_path / "before-push.d") == BeforePush(tuple(tmp_path / "before-push.d" / name for name in names))


def test_what_is_no_program_is_passed_over_and_named(tmp_path: Path) -> None:
    program(tmp_path, "README", "true", mode=0o644)
    for name in ("a~", ".hidden", "a.dpkg-dist", "a\x1bb"):
        program(tmp_path, name, "true")
    found = find(tmp_path / "before-push.d")
    assert (found.programs, found.refused) == ((), ()) and len(found.passed_over) == 5
    assert "README (it is not executable)" in found.passed_over
    assert "a\\x1bb (its name is not that of a program)" in found.passed_over


def test_what_others_could_change_is_refused_and_the_rest_runs(tmp_path: Path) -> None:
    path = program(tmp_path, "open", "true", mode=0o757)
    folder = path.parent
    (folder / "link").symlink_to(program(tmp_path, "fine", "true"))
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo", 0o755)
    found = find(folder)
    assert found.programs == (folder / "fine",)
    assert {os.path.basename(concern.path): concern.reason for concern in found.refused} == {
        b"open": "not run before the push: everybody may write to it",
        b"link": "not run before the push: it is a link: copy the program instead",
        b"folder": "not run before the push: it is not a file",
        b"fifo": "not run before the push: it is not a file",
    }


@pytest.mark.parametrize("place", [".", ".."])
def test_of_a_folder_that_others_could_change_nothing_runs(tmp_path: Path, place: str) -> None:
    (tmp_path / "top").mkdir()
    folder = program(tmp_path / "top", "a", "true").parent
    step = Path(os.path.normpath(folder / place))
    step.chmod(0o777)
    found = find(folder)
    assert found.programs == () and [concern.path for concern in found.refused] == [os.fsencode(folder)]
    assert "everybody may write to it" in found.refused[0].reason
    assert (str(step) in found.refused[0].reason) == (place == "..")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "before-push.d").touch(0o644)
    assert "not a directory" in find(tmp_path / "before-push.d").refused[0].reason


def test_the_doctor_names_them(bar: Standalone) -> None:
    assert list(doctor._before_push(bar.context())) == []
    program(bar.top, "postgresql", "true")
    program(bar.top, "README", "true", mode=0o644)
    program(bar.top, "open", "true", mode=0o777)
    runs, refused = doctor._before_push(bar.context())
    assert runs.result == f"it runs postgresql in {bar.top}/before-push.d; not README (it is not executable)"
    assert (runs.code, refused.code) == (0, 3)
    assert "before-push.d/open: not run before the push: everybody" in refused.result
    assert refused.cure == before_push.CURE
