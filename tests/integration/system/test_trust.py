"""What another user could change."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pacha.system.trust import untrusted

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.touch(0o644)
    return path


def test_the_owner_and_the_group_count(file: Path) -> None:
    os.chown(file, 54001, 0)
    assert untrusted(file, (0,)) == (file, "it belongs to user 54001")
    assert untrusted(file, (0, 54001)) is None
    os.chown(file, 0, 54001)
    file.chmod(0o664)
    assert untrusted(file, (0,)) == (file, "others may write to it (its group, or by an ACL)")
    os.chown(file, 0, 0)
    assert untrusted(file, (0,)) is None


def test_so_does_an_acl(file: Path) -> None:
    subprocess.run(["setfacl", "-m", "u:54001:rw", file], check=True)
    assert untrusted(file, (0,)) == (file, "others may write to it (its group, or by an ACL)")


def test_a_link_of_another_user_could_lead_elsewhere_tomorrow(file: Path, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o1777)
    link = tmp_path / "open" / "link"
    link.symlink_to(file.parent)
    assert untrusted(link / "file", (0,)) is None
    os.chown(link, 54001, 54001, follow_symlinks=False)
    (tmp_path / "ours").symlink_to(link)
    for path in (link / "file", tmp_path / "ours" / "file"):
        assert untrusted(path, (0,)) == (link, "it belongs to user 54001")
