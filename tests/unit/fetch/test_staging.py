"""Staging: what a host may call its folders does not get in the way of what a rebuild calls its own."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import NoReturn

import pytest

from pacha.config.keys import STANDALONE
from pacha.config.parse import parse_config
from pacha.errors import Signalled
from pacha.fetch.fetch import fetch, temporary
from pacha.fetch.prefetch import Prefetcher
from pacha.fetch.staging import Staging
from pacha.host import watch
from pacha.host.context import Context
from pacha.host.masters import connect
from pacha.push import push
from pacha.rebuild import rebuild
from pacha.rebuild.result import Reporter
from pacha.store.state import StateFolder
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.mark.parametrize("name", ["content", "pacha.db", "db", "last-push"])
def test_any_folder_name_comes_back(tmp_path: Path, name: str) -> None:
    settings = parse_config(
        f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}/hosts\npacha.hostname = bar\n"
    )
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").write_text("kept\n")
    bar = Context(settings, StateFolder(tmp_path / "bar"))
    watch.watch(bar, os.fsencode(tmp_path / name))
    assert push.push(bar).failure is None
    shutil.rmtree(tmp_path / name)
    done = rebuild.rebuild(Context(settings, StateFolder(tmp_path / "fresh")), "bar")
    assert done.adopted and not done.concerns
    assert (tmp_path / name / "file").read_text() == "kept\n"


def test_links_are_expected_as_well(tmp_path: Path) -> None:
    """Each is a file of the repository: of an /etc with 400 of them half was not expected, and no bar was shown."""
    settings = parse_config(
        f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}/hosts\npacha.hostname = bar\n"
    )
    (tmp_path / "links").mkdir()
    for number in range(20):
        (tmp_path / "links" / str(number)).symlink_to("there")
    bar = Context(settings, StateFolder(tmp_path / "bar"))
    watch.watch(bar, os.fsencode(tmp_path / "links"))
    assert push.push(bar).failure is None
    expected: list[int] = []
    fresh = Context(settings, StateFolder(tmp_path / "fresh"))
    rebuild.rebuild(fresh, "bar", reporter=Reporter(on_expected=expected.append))
    assert expected == [25]


def test_what_was_fetched_is_removed_though_the_wait_for_copies_is_interrupted(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silent master is waited for; whoever does not, with a second Ctrl-C, leaves nothing in the clear."""
    bar.push()
    context = bar.context("fresh")

    def interrupted(*_: object) -> NoReturn:
        raise Signalled(signal.SIGINT)

    with (
        pytest.raises(Signalled),
        temporary(lambda: Staging.make(context, "bar", connect(context, STANDALONE), lambda received: None)) as staging,
    ):
        fetch(staging)
        monkeypatch.setattr(Prefetcher, "stop", interrupted)
    assert not staging.folder.exists() and not context.state.read().staging
