"""What a push made of odd folders is read by a rebuild."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.support.stage import alone


def test_a_folder_above_that_became_a_link(tmp_path: Path) -> None:
    """The watched path is still reached, through the link, which is recorded as the folder to which it leads."""
    bar = alone(tmp_path)
    watched = tmp_path / "srv" / "data"
    watched.mkdir(parents=True)
    (watched / "f").write_text("x")
    bar.watch(watched)
    bar.push()
    (tmp_path / "srv").rename(tmp_path / "elsewhere")
    (tmp_path / "srv").symlink_to("elsewhere")
    (watched / "f").write_text("newer")
    (tmp_path / "elsewhere").chmod(0o711)
    bar.push()
    bar.forget()
    bar.rebuild("--target", tmp_path / "out")
    assert Path(f"{tmp_path}/out{watched}/f").read_text() == "newer"
    assert Path(f"{tmp_path}/out{tmp_path}/srv").lstat().st_mode == stat.S_IFDIR | 0o711
