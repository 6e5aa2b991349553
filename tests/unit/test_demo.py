"""The demo plays the story in a temporary folder, notices what did not come back, and leaves nothing."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from pacha import demo
from pacha.rebuild import rebuild


def test_all_comes_back_and_nothing_is_left() -> None:
    lines: list[str] = []
    assert demo.play(False, lines.append)
    told = [re.search(r"pacha watch|crashes|--rebuild bar|goes on as 'bar'", line) for line in lines]
    assert [match[0] for match in told if match] == ["pacha watch", "crashes", "--rebuild bar", "goes on as 'bar'"]
    assert os.listdir(os.environ["TMPDIR"]) == []


def test_what_did_not_come_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real, lines = rebuild.rebuild, list[str]()

    def spoilt(*words: Any) -> Any:
        rebuilt = real(*words)
        steps = rebuilt.proposal.preview.plan.steps
        os.chmod(next(step.path for step in steps if step.path.endswith(b"/start")), 0o600)
        return rebuilt

    monkeypatch.setattr(rebuild, "rebuild", spoilt)
    assert not demo.play(False, lines.append)
    assert [line for line in lines if "start" in line] != []
