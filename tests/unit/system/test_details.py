"""Details reach whoever listens, and nobody else."""

from __future__ import annotations

import pytest

from pacha.system import details


def test_a_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "_listeners", [])
    details.tell("lost")
    told: list[str] = []
    details.listen(told.append)
    details.tell("heard")
    assert told == ["heard"]
