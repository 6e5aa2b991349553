"""schedule shows, installs and removes a job for the system below a folder."""

from __future__ import annotations

import pytest

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


@pytest.mark.parametrize("kind", ["--systemd", "--cron"])
def test_what_is_shown_is_installed_and_removed(shell: Shell, kind: str) -> None:
    root = shell.bar.top / "root"
    (root / "etc").mkdir(parents=True)
    shown = shell.run("schedule", "show", "--root", root, kind, "--apt")
    shell.both("schedule", "install", "--root", root, kind, "--apt", code=3)  # nothing below it runs a job
    written = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(written) >= 2
    assert all(f"# /{path.relative_to(root)}\n{path.read_text()}" in shown for path in written)
    assert "installed already" in shell.both("schedule", "install", "--root", root, kind, "--apt", code=3)[0]
    shell.run("schedule", "remove", "--root", root)
    assert [path for path in root.rglob("*") if not path.is_dir()] == []
    assert "nothing to remove" in shell.run("schedule", "remove", "--root", root)
