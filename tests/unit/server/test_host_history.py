from __future__ import annotations

import os

import pytest

from pacha.errors import PachaError
from pacha.server.host_directory import HostDirectory
from pacha.server.host_history import HostHistory
from pacha.store import untrusted_db
from tests.support.standalone import Standalone, standalone_host

__all__ = ["standalone_host"]


def history(bar: Standalone) -> HostHistory:
    return HostHistory(HostDirectory(os.fsencode(bar.top / "hosts"), "bar"))


def test_it_knows_what_each_snapshot_watched(bar: Standalone) -> None:
    tips = [bar.push().tip]
    (bar.tree / "one").write_text("two\n")
    tips.insert(0, bar.push().tip)
    found = history(bar)
    assert [each.node for each in found.snapshots] == tips == list(found.watched)
    assert found.by_repository["foo"].path == bar.path and found.repository("none") is None


def test_what_is_known_already_is_not_read_again(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    bar.push()
    known = history(bar).watched
    monkeypatch.setattr(untrusted_db, "read", lambda *_, **__: 1 // 0)
    assert HostHistory(history(bar).folder, known).watched == known


def test_a_host_without_a_snapshot(bar: Standalone) -> None:
    bar.master.mkdir(parents=True)
    with pytest.raises(PachaError, match="There is no snapshot of 'bar'"):
        _ = history(bar).snapshots
