"""The alternatives that somebody chose: recorded, and chosen again where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine.packages import alternatives
from tests.support.machines import link, write

FOLDER = "/var/lib/dpkg/alternatives"
VIM = "/usr/bin/vim.basic"
GROUP = f"/usr/bin/editor\neditor.1.gz\n/usr/share/man/man1/editor.1.gz\n\n/bin/nano\n40\n\n{VIM}\n30\n\n"


@pytest.fixture(name="root")
def system(tmp_path: Path) -> Path:
    write(tmp_path / f"{FOLDER[1:]}/editor", f"manual\n{GROUP}")
    write(tmp_path / f"{FOLDER[1:]}/awk", "auto\n/usr/bin/awk\n\n/usr/bin/mawk\n5\n\n")
    link(tmp_path / "etc/alternatives/editor", VIM)
    link(tmp_path / "etc/alternatives/awk", "/usr/bin/mawk")
    write(tmp_path / VIM[1:], "")
    return tmp_path


def test_what_somebody_chose_is_told(root: Path) -> None:
    assert alternatives.manual(root, FOLDER) == (("editor", VIM),)
    assert alternatives.manual(root, "/nowhere") == ()


@pytest.mark.parametrize("target", ["vim", "/a b", "/a\nb"])
def test_a_link_to_nonsense_is_no_choice(root: Path, target: str) -> None:
    (root / "etc/alternatives/editor").unlink()
    link(root / "etc/alternatives/editor", target)
    assert alternatives.manual(root, FOLDER) == ()
    (root / "etc/alternatives/editor").unlink()
    assert alternatives.manual(root, FOLDER) == ()


def test_it_is_chosen_again_where_it_is(root: Path) -> None:
    recorded = [("editor", VIM), ("java", "/usr/bin/java")]
    assert alternatives.commands(recorded, root, FOLDER) == ([], [("java", "/usr/bin/java")])
    write(root / f"{FOLDER[1:]}/editor", f"auto\n{GROUP}")
    made = [["update-alternatives", "--set", "editor", VIM]]
    assert alternatives.commands(recorded, root, FOLDER) == (made, [("java", "/usr/bin/java")])
    assert alternatives.commands([("editor", "/usr/bin/ed")], root, FOLDER) == ([], [("editor", "/usr/bin/ed")])
    (root / VIM[1:]).unlink()
    assert alternatives.commands([("editor", VIM)], root, FOLDER) == ([], [("editor", VIM)])
