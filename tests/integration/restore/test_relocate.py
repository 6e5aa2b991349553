"""An original that comes back piece by piece does not come into somebody else's hands."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from pacha.restore.relocate import relocate


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("is_empty", [False, True])
def test_nothing_private_goes_into_somebody_elses_directory(tmp_path: Path, is_empty: bool) -> None:
    (tmp_path / "kept/private").mkdir(0o700, parents=True)
    if not is_empty:
        (tmp_path / "kept/private/secret").touch()
    (tmp_path / "here/private").mkdir(parents=True)
    (tmp_path / "here/private/bait").touch()
    os.chown(tmp_path / "here/private", 65534, 65534)
    fds = [os.open(tmp_path / name, os.O_RDONLY) for name in ("kept", "here")]
    with nullcontext() if is_empty else pytest.raises(OSError, match="somebody else"):
        relocate(b"private", fds[0], b"private", fds[1])
    for fd in fds:
        os.close(fd)
    assert os.listdir(tmp_path / "here/private") == ["bait"]
    assert os.path.exists(tmp_path / "kept/private/secret") is not is_empty
