"""The walk of a machine's own file systems: what it cannot look at is named."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pacha.errors import Concern
from pacha.rebuild import local_files


@pytest.mark.parametrize(("error", "named"), [(errno.EIO, True), (errno.ENAMETOOLONG, True), (errno.ENOENT, False)])
def test_only_what_was_removed_is_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, named: bool
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").touch()
    real, lost = os.open, os.fsencode(tmp_path / "a")

    def fail(path: object, *rest: int, **more: int) -> int:
        if path == lost:
            raise OSError(error, os.strerror(error))
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", fail)
    unseen: list[Concern] = []
    found = [name for _, _, name, _ in local_files.walk(os.fsencode(tmp_path), frozenset(), unseen)]
    monkeypatch.undo()
    assert sorted(found) == [b"a", b"b", b"f"]
    assert [concern.path for concern in unseen] == [lost] * named
