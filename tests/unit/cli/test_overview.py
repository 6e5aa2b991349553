"""``pacha`` alone prints one screen, whatever the state of things."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.cli.context import CliContext
from pacha.cli.overview import show_overview


def shown(capsys: pytest.CaptureFixture[str], config: Path | None = None) -> str:
    show_overview(CliContext(config=None if config is None else str(config), quiet=False, verbose=False))
    out, err = capsys.readouterr()
    assert err == "" and len(out.splitlines()) <= 24
    return out


def test_with_a_configuration_without_one_and_with_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() or 1000)
    assert "pacha init" in shown(capsys)
    config = tmp_path / "pacha.conf"
    for text, step in (("pacha.host = m.example\n", "pacha watch"), ("pacha.hots = x\n", "pacha doctor")):
        config.write_text(f"[DEFAULT]\n{text}")
        assert step in shown(capsys, config)
