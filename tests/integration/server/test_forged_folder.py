"""All that reads a host's folder on the master keeps to one rule: no link is followed, no hole is filled."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.stage import Host, alone

SIZE = 4 << 30


@pytest.fixture
def bar(tmp_path: Path) -> Host:
    """A host that pushed to a folder of this machine."""
    made = alone(tmp_path)
    tree = tmp_path / "opt"
    tree.mkdir()
    (tree / "one").write_text("one\n")
    made.watch(tree)
    made.push()
    return made


def readers(bar: Host) -> Host:
    """The master's root: another machine, with the same folder of hosts."""
    return Host(bar.stage, bar.folder.parent / "master", "master")


@pytest.mark.parametrize("command", ["check bar", "log bar", "diff --host bar", "cat --host bar /x", "restore-db bar"])
@pytest.mark.parametrize("file", ["db/.hg/store/00changelog.i", "db/.hg/store/data/pacha.db.i"])
def test_a_hole_is_refused_by_name(bar: Host, command: str, file: str) -> None:
    os.truncate(bar.repository(file), SIZE)
    if command.startswith("restore"):
        bar.forget()
        reader = bar
    else:
        reader = readers(bar)
    done = reader.pacha(*command.split()).must(13)
    assert os.path.basename(file) in done.err and "MiB" in done.err
    assert os.listdir(reader.temporary) == []


@pytest.mark.parametrize("name", ["db", "opt"])
def test_a_link_to_another_host_is_followed_by_none(bar: Host, name: str) -> None:
    root, hosts = readers(bar), bar.stage.hosts
    shutil.copytree(hosts / "bar", hosts / "foo")
    shutil.rmtree(hosts / "bar" / name)
    (hosts / "bar" / name).symlink_to(hosts / "foo" / name)
    commands = ["check bar", f"cat --host bar {bar.folder.parent}/opt/one", "rebuild bar --yes --target /nowhere"]
    commands += ["log bar", "diff --host bar"] if name == "db" else []
    for command in commands:
        done = root.pacha(*command.split()).must(13)
        assert "link" in done.err + done.out, command
    if name == "db":
        assert "its db is gone" in root.pacha("hosts").must(3).out
