"""Directories of a rebuild, where other users have put something on the way."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from pacha.restore.dirfd import LinkRefused, SafeDirectories


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(("owner", "is_followed"), [(0, True), (54001, False)])
def test_in_a_sticky_folder_a_link_is_followed_only_if_it_is_ours(
    tmp_path: Path, owner: int, is_followed: bool
) -> None:
    """As /tmp is: nobody can replace another's link there, and everybody can make one."""
    top = tmp_path.resolve()
    (top / "real/root").mkdir(parents=True)
    (top / "sticky").mkdir()
    (top / "sticky").chmod(0o1777)
    (top / "sticky/link").symlink_to("../real")
    os.lchown(top / "sticky/link", owner, owner)
    path = os.fsencode(top / "sticky/link/root")
    with SafeDirectories([path]) as descent, nullcontext() if is_followed else pytest.raises(LinkRefused):
        assert os.path.samestat(os.fstat(descent.enter(path)), (top / "real/root").stat())
