"""watch, watch-single and unwatch change what the next push keeps."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.host.watch import watched
from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def names(shell: Shell) -> list[tuple[str, bool]]:
    return [(os.fsdecode(entry.path), entry.single) for entry in watched(shell.bar.context())]


def test_directories_and_a_file(shell: Shell) -> None:
    for name in ("etc", "opt"):
        (shell.bar.top / name).mkdir()
    (shell.bar.top / "alone").touch()
    shown = shell.run("watch", "etc", shell.bar.top / "opt")
    assert f"Watching {shell.bar.top}/etc (kept as 'etc')." in shown
    shell.run("watch-single", "alone")
    assert sorted(names(shell)) == sorted(
        [(f"{shell.bar.top}/{name}", name == "alone") for name in ("alone", "etc", "opt")]
        + [(str(shell.bar.tree), False)]
    )


def test_what_is_not_there_and_what_is_watched_no_more(shell: Shell) -> None:
    shell.run("watch", shell.bar.top / "none", code=2)
    assert "its history stays" in shell.run("unwatch", shell.bar.tree)
    assert names(shell) == []
    shell.run("unwatch", shell.bar.tree, code=2)


def test_a_master_that_pushes_nowhere_is_told_so(shell: Shell, tmp_path: Path) -> None:
    """It has the hosts of others, so this may be a mistake; what is watched stays watched."""
    place, hosts = shell.bar.top / "pacha.conf", tmp_path / "hosts"
    place.write_text(f"[DEFAULT]\npacha.hosts.path = {hosts}\n")
    hosts.mkdir()
    for name in ("etc", "alone"):
        (shell.bar.top / name).mkdir()
    (shell.bar.top / "alone/file").touch()
    assert "pacha.host = local" in shell.both("watch", shell.bar.top / "etc", code=3)[1]
    assert "is a master" in shell.both("watch-single", shell.bar.top / "alone/file", code=3)[1]
    hosts.rmdir()
    (shell.bar.top / "opt").mkdir()
    assert shell.both("watch", shell.bar.top / "opt")[1] == ""
