"""A folder that became a link: told where its files are not kept any more."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pacha.host import watch
from pacha.push import push
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def told(bar: Standalone) -> dict[bytes, str]:
    """What a push says of each path."""
    return {concern.path: concern.reason for concern in push.push(bar.context()).concerns}


@pytest.fixture
def data(bar: Standalone) -> Path:
    folder = bar.tree / "data"
    folder.mkdir()
    (folder / "file").write_text("x\n")
    assert told(bar) == {}
    return folder


def test_a_link_that_leads_out_of_what_is_watched(bar: Standalone, data: Path, tmp_path: Path) -> None:
    data.rename(tmp_path / "larger disk")
    data.symlink_to(tmp_path / "larger disk")
    (reason,) = told(bar).values()
    assert f"link to {tmp_path}/larger disk now, which is not watched" in reason
    assert told(bar) == {}


@pytest.mark.parametrize("target", ["moved", "../foo/./moved"])
def test_a_link_within_what_is_watched(bar: Standalone, data: Path, target: str) -> None:
    data.rename(bar.tree / "moved")
    data.symlink_to(target)
    assert told(bar) == {}


def test_a_link_to_another_watched_path(bar: Standalone, data: Path, tmp_path: Path) -> None:
    data.rename(tmp_path / "elsewhere")
    watch.watch(bar.context(), os.fsencode(tmp_path / "elsewhere"))
    data.symlink_to(tmp_path / "elsewhere")
    assert told(bar) == {}


def test_what_was_empty_loses_nothing(bar: Standalone, data: Path) -> None:
    (data / "file").unlink()
    assert told(bar) == {}
    shutil.rmtree(data)
    data.symlink_to("/nowhere")
    assert told(bar) == {}
