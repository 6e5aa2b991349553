"""A rebuild under way: what stops it before anything is changed, and what is said once the files are in place."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import Concern, PachaError
from pacha.rebuild import carrying_out, rebuild
from pacha.rebuild.hooks import HookRun
from tests.support.proposing import proposal
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_too_little_room_stops_it() -> None:
    made = proposal()
    carrying_out._check_room(made)
    short = replace(made.preview, shortages=(Concern(b"/srv", "its file system has room for 1"),))
    with pytest.raises(PachaError) as caught:
        carrying_out._check_room(replace(made, preview=short))
    assert caught.value.code == "no-room" and caught.value.why == "/srv: its file system has room for 1"


def test_a_hook_that_failed_stops_it() -> None:
    carrying_out._check_ran((HookRun("pacha_pre/1", "", b""),))
    with pytest.raises(PachaError) as caught:
        carrying_out._check_ran((HookRun("pacha_pre/1", "", b""), HookRun("pacha_pre/2", "exit code 1", b"")))
    assert caught.value.code == "hook-failed" and "pacha_pre/2" in caught.value.message


def test_a_target_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    carrying_out._make_target(os.fsencode(tmp_path / "new/below"))
    assert (tmp_path / "new/below").is_dir()
    with pytest.raises(PachaError) as caught:
        carrying_out._make_target(os.fsencode(tmp_path / "file/below"))
    assert caught.value.code == "target-not-made"


def test_an_error_after_the_files_says_that_they_are_in_place() -> None:
    with pytest.raises(PachaError) as caught, carrying_out._in_place():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.code == "adoption-failed" and caught.value.why == "no space left on device"


def test_the_files_come_back_and_the_machine_goes_on_as_the_host(bar: Standalone) -> None:
    pushed = bar.push()
    (bar.tree / "one").unlink()
    rebuilt = rebuild.rebuild(bar.context("fresh"), "bar")
    assert rebuilt.adopted and rebuilt.proposal.tip == pushed.tip and (bar.tree / "one").exists()
