"""The difference of a text that would be replaced: its lines, or one line that says why there are none."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pacha.files.entry import Kind
from pacha.rebuild.text_diff import text_diff
from pacha.restore.plan import Action
from tests.support.proposing import entry, proposal, step


def difference(path: Path, new: bytes, **found: object) -> list[str]:
    """What is shown where ``new`` would take the place of what is at ``path``."""
    name, old = os.fsencode(path), path.read_bytes() if path.is_file() else b""
    there = entry(name, **{"size": len(old), **found})
    wanted = entry(name, size=len(new), sha256=hashlib.sha256(new).digest())
    proposed = proposal(content=lambda entry: iter([new[:3], new[3:]]))
    return list(text_diff(proposed, step(Action.REPLACE, name, wanted=wanted, actual=there)))


@pytest.fixture(name="path")
def text_file(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"one\ntwo\nthree\n")
    return tmp_path / "f"


def test_what_is_taken_away_and_what_comes(path: Path) -> None:
    assert difference(path, b"one\n2\nthree\n") == ["@@ -1,3 +1,3 @@", " one", "-two", "+2", " three"]


def test_no_line_has_anything_that_a_terminal_obeys(path: Path) -> None:
    lines = difference(path, b"one\n\x1b]0;x\x07\xff\nthree\n")
    assert len(lines) == 5 and all(line.isprintable() for line in lines)


@pytest.mark.parametrize("new", [b"a\0b", b"x" * ((1 << 20) + 1)])
def test_what_is_no_text_or_too_large_is_one_line(path: Path, new: bytes) -> None:
    assert len(difference(path, new)) == 1
    path.write_bytes(new)
    assert len(difference(path, b"text\n")) == 1


def test_what_cannot_be_read_is_one_line_and_is_not_waited_for(path: Path) -> None:
    path.unlink()
    assert len(difference(path, b"text\n")) == 1
    os.mkfifo(path)
    assert len(difference(path, b"text\n")) == 1


def test_of_another_kind_there_is_nothing_to_compare(path: Path) -> None:
    assert difference(path, b"new\n", kind=Kind.SYMLINK) == []
    assert list(text_diff(proposal(), step(Action.CREATE))) == []
    assert list(text_diff(proposal(), step(Action.EXTRA))) == []
