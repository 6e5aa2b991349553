"""The heartbeat of a push tells of the snapshot that the master has now."""

from __future__ import annotations

import json

import pytest

from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_heartbeat_tells_of_the_snapshot(bar: Standalone) -> None:
    tip = bar.push().tip
    beat = json.loads((bar.master / "last-push").read_text())
    assert (beat["tip"], beat["exit"], beat["paths"], beat["files"], beat["size"]) == (tip, 0, 1, 1, 4)
    assert beat["frequency"] == 12
