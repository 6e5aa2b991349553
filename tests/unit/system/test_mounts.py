"""The mounts that this process sees, by their paths as they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pacha.system.mounts import Mount, may_have_projects, mount_id, mounts, read_mounts

LINES = (
    rb"""22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /mnt/a\040b\134c\011d rw - tmpfs tmpfs rw
24 22 0:22 / /mnt/caf"""
    + b"\xc3\xa9\xff"
    + rb""" rw master:1 propagate_from:2 - fuse.sshfs me@there: rw
"""
)


def test_the_root_and_proc_are_among_them() -> None:
    here = {mount.path: mount.kind for mount in mounts()}
    assert b"/" in here and here[b"/proc"] == b"proc"
    assert all(os.path.ismount(path) for path in here if path.startswith(b"/proc") and os.path.isdir(path))


def test_they_are_those_that_findmnt_lists() -> None:
    listed = subprocess.run(["findmnt", "--list", "--noheadings", "--output", "TARGET"], capture_output=True)
    if listed.returncode:
        pytest.skip("findmnt does not list them here")
    names = sorted(line.rstrip() for line in listed.stdout.splitlines())
    assert sorted(mount.path for mount in mounts()) == names


def test_odd_names_and_optional_fields(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(LINES)
    found = list(read_mounts(tmp_path / "mountinfo"))
    assert [(mount.path, mount.kind, mount.source) for mount in found] == [
        (b"/", b"ext4", b"/dev/vda1"),
        (b"/mnt/a b\\c\td", b"tmpfs", b"tmpfs"),
        (b"/mnt/caf\xc3\xa9\xff", b"fuse.sshfs", b"me@there:"),
    ]
    assert found[0] == Mount(b"/", b"ext4", device=b"0:20", root=b"/", source=b"/dev/vda1")


def test_a_descriptor_tells_its_mount_even_where_it_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir(mode=0)
    place, below = (os.open(path, os.O_PATH) for path in (tmp_path, tmp_path / "sub"))
    proc = os.open("/proc/self", os.O_PATH)
    assert mount_id(place) == mount_id(below) != mount_id(proc)
    for fd in (place, below, proc):
        os.close(fd)


def test_the_number_of_a_mount_is_that_of_its_files() -> None:
    [number] = {mount.number for mount in mounts() if mount.path == b"/proc"}
    assert number == os.stat("/proc").st_dev


def test_only_a_type_of_file_system_with_projects_is_asked_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Mount(b"/", b"xfs", b"8:1"), Mount(b"/tmp", b"tmpfs", b"0:40")]
    monkeypatch.setattr("pacha.system.mounts.mounts", lambda: iter(found))
    may_have_projects.cache_clear()
    assert [may_have_projects(device) for device in (0x801, 40, 7)] == [True, False, False]
    found.clear()
    assert may_have_projects(0x801), "it is asked for once"
    may_have_projects.cache_clear()
