"""Medians, ratios against the targets, and a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from speed_parts.measure import Cost
from speed_parts.tools import BELOW, FIRST, IDLE, ONE, REBUILD, STEPS

ALL_STEPS = (*STEPS, BELOW)


@dataclass(frozen=True)
class Cell:
    """What was measured: on which file system, which tree, at how many milliseconds a round trip, by whom, what."""

    place: str
    tree: str
    rtt: int
    tool: str
    step: str


#: For each step: (tree, ms a round trip) -> the most that Pacha may take, as (factor, of whom).
TARGETS: dict[str, dict[tuple[str, int], Sequence[tuple[float, str]]]] = {
    REBUILD: {
        ("etc", 0): ((1.0, "restic"), (0.5, "borg")),
        ("etc", 20): ((0.6, "restic"),),
        ("etc", 100): ((0.3, "restic"), (1.0, "rsync")),
        ("include", 0): ((1.2, "restic"), (0.5, "borg")),
        ("include", 20): ((0.8, "restic"),),
    },
    IDLE: {
        ("etc", 0): ((1.5, "login"), (0.6, "restic")),
        ("etc", 20): ((1.5, "login"), (0.4, "restic")),
        ("etc", 100): ((1.5, "login"), (0.2, "restic")),
        ("include", 0): ((1.6, "login"), (0.6, "restic")),
        ("include", 20): ((1.6, "login"), (0.4, "restic")),
    },
    ONE: {
        ("etc", 0): ((0.9, "restic"),),
        ("etc", 20): ((0.5, "restic"),),
        ("etc", 100): ((0.25, "restic"), (0.8, "borg")),
        ("include", 0): ((1.0, "restic"),),
        ("include", 20): ((0.5, "restic"),),
    },
    FIRST: {
        ("etc", 0): ((2.0, "restic"), (1.3, "borg")),
        ("etc", 20): ((1.0, "restic"),),
        ("etc", 100): ((0.3, "restic"), (1.0, "borg")),
        ("include", 0): ((1.5, "borg"),),
        ("include", 20): ((0.5, "restic"),),
    },
}


def medians(samples: dict[Cell, list[Cost]]) -> dict[Cell, Cost]:
    """The median of each of the three figures."""
    return {
        cell: Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in ("seconds", "cpu", "mib")))
        for cell, costs in samples.items()
    }


def tables(found: dict[Cell, Cost], least_mib: float) -> Iterable[str]:
    """A line a tool for each place, tree and round trip: seconds (CPU here, peak MiB) of each step."""
    shown = [step for step in ALL_STEPS if any(cell.step == step for cell in found)]
    for place, tree, rtt in dict.fromkeys((c.place, c.tree, c.rtt) for c in found):
        yield f"\n{tree}, {rtt} ms, {place}: seconds on the clock (of CPU here; peak MiB)"
        yield f"{'':10}" + "".join(f"{step:>24}" for step in shown)
        for tool in dict.fromkeys(c.tool for c in found if (c.place, c.tree, c.rtt) == (place, tree, rtt)):
            cells = [found.get(Cell(place, tree, rtt, tool, step)) for step in shown]
            yield f"{tool:10}" + "".join(f"{_cost(cost, least_mib):>24}" for cost in cells)


def _cost(cost: Cost | None, least_mib: float) -> str:
    if cost is None:
        return "-"
    memory = f"{cost.mib:.0f}" if cost.mib > least_mib + 1 else f"<{least_mib:.0f}"
    return f"{cost.seconds:.2f} ({cost.cpu:.2f}; {memory})"


@dataclass(frozen=True)
class Verdict:
    """One target: the ratio that was found and the most that it may be."""

    cell: Cell
    of: str
    ratio: float
    most: float

    @property
    def holds(self) -> bool:
        """Whether it is met."""
        return self.ratio <= self.most


def verdicts(found: dict[Cell, Cost], name: str) -> list[Verdict]:
    """Every target of ``name`` for which both sides were measured."""
    made = []
    for cell, cost in found.items():
        for most, of in TARGETS.get(cell.step, {}).get((cell.tree, cell.rtt), ()) if cell.tool == name else ():
            other = found.get(Cell(cell.place, cell.tree, cell.rtt, of, cell.step))
            if other is not None:
                made.append(Verdict(cell, of, cost.seconds / other.seconds, most))
    return sorted(made, key=lambda v: (v.cell.place, ALL_STEPS.index(v.cell.step), v.cell.tree, v.cell.rtt))


def verdict_lines(found: list[Verdict]) -> Iterable[str]:
    """A line for each target."""
    for one in found:
        what = f"{one.cell.step}, {one.cell.tree}, {one.cell.rtt} ms, {one.cell.place}"
        yield f"{'pass' if one.holds else 'FAIL'}  {what:40} {one.ratio:5.2f} x {one.of} (at most {one.most:g})"


def plot(found: dict[Cell, Cost], file: str) -> None:
    """One picture: a panel for each tree and round trip, a group of bars for each step, on each bar its seconds."""
    import matplotlib as mpl

    mpl.use("Agg")
    small = {"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans"], "font.size": 9}
    mpl.rcParams.update({**small, "svg.hashsalt": "pacha"})  # the same figures make the same file
    from matplotlib import pyplot

    panels = list(dict.fromkeys((c.place, c.tree, c.rtt) for c in found))
    tools = [tool for tool in dict.fromkeys(c.tool for c in found) if tool not in ("ssh", "login")]
    figure, axes = pyplot.subplots(len(panels), 1, figsize=(10, 2.2 * len(panels)), squeeze=False, layout="constrained")
    width = 1 / (len(tools) + 1)
    for panel, axis in zip(panels, axes[:, 0], strict=True):
        for number, tool in enumerate(tools):
            costs = [found.get(Cell(*panel, tool, step)) for step in STEPS]
            seconds = [cost.seconds if cost else math.nan for cost in costs]
            places = [index + number * width for index in range(len(STEPS))]
            drawn = axis.bar(places, seconds, 0.9 * width, label=tool, clip_on=False)
            axis.bar_label(drawn, ["" if math.isnan(one) else f"{one:.2f}" for one in seconds], fontsize=7)
        axis.set_xticks([index + (len(tools) - 1) / 2 * width for index in range(len(STEPS))], STEPS)
        axis.set_title(f"{panel[1]}, {panel[2]} ms a round trip, {panel[0]}: seconds", fontsize=9)
        axis.yaxis.set_visible(False)
        axis.margins(x=0.01, y=0.15)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(tools))
    figure.savefig(file, metadata={"Date": None, "Creator": None} if file.endswith(".svg") else None)
