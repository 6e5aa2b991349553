"""The demo plays the story in a temporary folder, notices what did not come back, and leaves nothing."""

from __future__ import annotations

import os
import re

import pytest

from pacha import demo
from pacha.rebuild import rebuild


def test_all_comes_back_and_nothing_is_left() -> None:
    lines: list[str] = []
    assert demo.play(False, lines.append)
    told = "\n".join(lines)
    assert [told.index(step) for step in ("$ pacha watch", "crashes", "--rebuild bar", "goes on as 'bar'")] == sorted(
        match.start() for match in re.finditer(r"\$ pacha watch|crashes|--rebuild bar|goes on as 'bar'", told)
    )
    assert os.listdir(os.environ["TMPDIR"]) == []


def test_what_did_not_come_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real, lines = rebuild.rebuild, []

    def spoilt(*words: object) -> object:
        rebuilt = real(*words)  # type: ignore[arg-type]
        os.chmod(
            next(step.path for step in rebuilt.proposal.preview.plan.steps if step.path.endswith(b"/start")), 0o600
        )
        return rebuilt

    monkeypatch.setattr(rebuild, "rebuild", spoilt)
    assert not demo.play(False, lines.append)
    assert [line for line in lines if "start" in line] != []
