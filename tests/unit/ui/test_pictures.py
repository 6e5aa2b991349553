"""Small pictures: a bar a day, and how late a host is."""

from __future__ import annotations

import xml.etree.ElementTree as xml

from pacha.fleet.report import DayActivity
from pacha.server.hosts import State
from pacha.ui.pictures import days_picture, lateness_picture


def test_days() -> None:
    days = [
        DayActivity(snapshots=0, touched=0),
        DayActivity(snapshots=1, touched=1),
        DayActivity(snapshots=9, touched=10**9),
    ]
    picture = xml.fromstring(days_picture(days))
    heights = [int(bar.get("height", "")) for bar in picture.iter("rect")]
    assert heights[0] < heights[1] < heights[2] == 36 and picture.get("viewBox") == "0 0 24 36"
    assert "10 snapshots" in picture.get("aria-label", "")


def test_lateness() -> None:
    for state, age, every in ((State.FRESH, 0.0, 3600.0), (State.SILENT, 1e9, 60.0), (State.LATE, -5.0, 0.0)):
        picture = xml.fromstring(lateness_picture(state, age, every))
        assert all(0 <= float(bar.get("width", "")) <= 96 for bar in picture.iter("rect"))
