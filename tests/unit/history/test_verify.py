"""Verifying a disk against a snapshot, the last one or an older one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.config.parse import parse_config
from pacha.errors import PachaError, UsageError
from pacha.history import diff, verify
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push
from pacha.store.state import StateFolder


@pytest.fixture
def here(tmp_path: Path) -> Context:
    """A host with a standalone master that watches a folder with one file."""
    (tmp_path / "foo").mkdir()
    (tmp_path / "foo" / "one").write_text("one\n")
    text = f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}/hosts\npacha.hostname = bar\n"
    made = Context(parse_config(text), StateFolder(tmp_path / "state"))
    watch.watch(made, os.fsencode(tmp_path / "foo"))
    return made


def differences(here: Context, at: str = "") -> dict[str, str]:
    return {os.path.basename(os.fsdecode(d.path)): d.reason for d in verify.verify(here, at).differences}


def test_each_difference_is_named(here: Context, tmp_path: Path) -> None:
    push.push(here)
    assert differences(here) == {}
    (tmp_path / "foo" / "one").chmod(0o600)
    assert differences(here) == {"one": "mode 0644 -> 0600"}
    before = (tmp_path / "foo" / "one").stat()
    (tmp_path / "foo" / "one").write_text("two\n")
    os.utime(tmp_path / "foo" / "one", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert differences(here) == {"one": "content, mode 0644 -> 0600"}
    (tmp_path / "foo" / "one").rename(tmp_path / "foo" / "other")
    assert {name: what for name, what in differences(here).items() if name != "foo"} == {
        "one": "is gone",
        "other": "is new",
    }


def test_an_older_snapshot_is_found_by_how_its_id_begins(here: Context, tmp_path: Path) -> None:
    first = push.push(here).tip
    (tmp_path / "foo" / "one").write_text("longer\n")
    push.push(here)
    assert differences(here) == {}
    assert "size 4 -> 7" in differences(here, first[:6])["one"]


def test_what_is_no_snapshot_is_refused(here: Context) -> None:
    with pytest.raises(PachaError, match="no history"):
        verify.verify(here, "abcd")
    with pytest.raises(PachaError, match="no snapshot to compare"):
        verify.verify(here)
    push.push(here)
    for wrong in ("0000", "-oProxyCommand=x", "../x", "f"):
        with pytest.raises(UsageError):
            verify.verify(here, wrong)


def test_what_was_on_a_volume_that_is_not_mounted_is_not_gone(here: Context, tmp_path: Path) -> None:
    push.push(here)
    here.state.update(mounted=(os.fsencode(tmp_path / "foo"),))
    (tmp_path / "foo" / "one").unlink()
    assert "not mounted now" in differences(here)["foo"] and "one" not in differences(here)
    now = diff.of_disk(here)
    assert os.fsencode(tmp_path / "foo" / "one") in now.entries
    assert [concern.path for concern in now.concerns] == [os.fsencode(tmp_path / "foo")]
