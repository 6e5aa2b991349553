"""Small pictures (SVG) that stand in a page and take its colours."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pacha.fleet.report import DayActivity
from pacha.server.hosts import State

_STEP, _BAR, _HEIGHT = 8, 6, 36
_MOST = 10_000  #: paths of a day that fill the height
_MISSED = 3  #: pushes; a host that missed more is silent
COLOURS = {State.FRESH: "good", State.LATE: "warn", State.SILENT: "bad", State.NEVER: "bad"}


def days_picture(days: Sequence[DayActivity]) -> str:
    """A bar for each day, by how much was touched (each step up is about three times as much); a dot for none."""
    bars = []
    for number, day in enumerate(days):
        share = math.log1p(min(day.touched, _MOST)) / math.log1p(_MOST)
        height = 5 + round(share * (_HEIGHT - 5)) if day.snapshots else 2
        place = f'x="{number * _STEP}" y="{_HEIGHT - height}" width="{_BAR}" height="{height}"'
        bars.append(f'<rect {place} rx="1" class="{"bar" if day.snapshots else "none"}"/>')
    snapshots, touched = sum(day.snapshots for day in days), sum(day.touched for day in days)
    label = f"{snapshots} snapshots of {touched} paths in {len(days)} days; the last day is on the right"
    return _svg(len(days) * _STEP, _HEIGHT, label, bars)


def lateness_picture(state: State, age: float, every: float) -> str:
    """How long ago the last push was, as a part of three times the host's own frequency (both in seconds)."""
    width = 96
    share = min(1.0, max(0.02, age / (_MISSED * every))) if every > 0 else 1.0
    marks = [f'<rect x="{width * n // _MISSED}" y="0" width="1" height="10" class="mark"/>' for n in range(1, _MISSED)]
    bars = [
        f'<rect x="0" y="2" width="{width}" height="6" rx="3" class="none"/>',
        f'<rect x="0" y="2" width="{width * share:.0f}" height="6" rx="3" class="fill {COLOURS[state]}"/>',
    ]
    return _svg(width, 10, f"{age / every:.1f} of its frequency ago" if every > 0 else "unknown", bars + marks)


def _svg(width: int, height: int, label: str, shapes: Sequence[str]) -> str:
    head = f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{label}">'
    return f"{head}<title>{label}</title>{''.join(shapes)}</svg>"
