"""An installation has this version's files, whatever an earlier build left in the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[2]


def test_what_an_earlier_build_left_is_not_installed(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "source/build/lib/pacha"
    shutil.copytree(HERE / "pacha", source / "pacha", ignore=lambda folder, names: {n for n in names if n != "text.py"})
    for name in ("setup.py", "README.rst", "pyproject.toml"):
        shutil.copy(HERE / name, source)
    (source / "pacha/__init__.py").write_text('__version__ = "2.0"\n')
    built.mkdir(parents=True)
    for name in ("__init__.py", "removed.py"):  # later, as after a copy of the folder in another order
        (built / name).write_text('__version__ = "1.0"\n')
        os.utime(built / name, (2**31, 2**31))
    command = [sys.executable, "setup.py", "-q", "build"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2.0" in (built / "__init__.py").read_text() and not (built / "removed.py").exists()
