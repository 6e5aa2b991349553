"""Medians, ratios against the targets, and a plot."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

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


MANY = "100000 files"
#: For each step: (tree, ms a round trip), or (place, tree, ms), which comes first -> the most that Pacha may take, as
#: (factor, of whom).
TARGETS: dict[str, dict[tuple[str, int] | tuple[str, str, int], Sequence[tuple[float, str]]]] = {
    REBUILD: {
        ("etc", 0): ((0.8, "restic"),),
        ("etc", 20): ((0.5, "restic"),),
        ("etc", 100): ((0.25, "restic"),),
        ("include", 0): ((1.0, "restic"), (0.7, "borg")),
        ("disk", "include", 0): ((0.8, "restic"),),
        ("include", 20): ((0.7, "restic"),),
        ("include", 100): ((0.4, "restic"),),
        (MANY, 0): ((1.3, "restic"),),
    },
    IDLE: {
        ("etc", 0): ((1.05, "login"),),
        ("etc", 20): ((1.5, "login"),),
        ("etc", 100): ((1.5, "login"),),
        ("include", 0): ((1.1, "login"),),
        ("include", 20): ((1.6, "login"),),
        (MANY, 0): ((0.4, "restic"),),
    },
    ONE: {
        ("etc", 0): ((0.7, "restic"), (1.8, "login")),
        ("etc", 20): ((0.5, "restic"),),
        ("etc", 100): ((0.25, "restic"), (0.8, "borg")),
        ("include", 0): ((0.7, "restic"),),
        ("include", 20): ((0.5, "restic"),),
        (MANY, 0): ((0.6, "restic"),),
    },
    FIRST: {
        ("etc", 0): ((1.1, "restic"),),
        ("disk", "etc", 0): ((1.2, "restic"),),
        ("etc", 20): ((1.0, "restic"),),
        ("etc", 100): ((0.3, "restic"), (1.0, "borg")),
        ("include", 0): ((1.1, "restic"),),
        ("disk", "include", 0): ((1.0, "rsync"),),
        ("include", 20): ((0.5, "restic"),),
        (MANY, 0): ((1.3, "restic"),),
        ("disk", MANY, 0): ((1.0, "git"),),
    },
}
#: The most CPU of both sides together, of etc and include at each step.
CPU_TARGET = (1.3, "restic")


def medians(samples: dict[Cell, list[Cost]]) -> dict[Cell, Cost]:
    """The median of each figure."""
    names = [each.name for each in fields(Cost)]
    return {
        cell: Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in names))
        for cell, costs in samples.items()
    }


def tables(found: dict[Cell, Cost], least_mib: float) -> Iterable[str]:
    """A line a tool for each place, tree and round trip: seconds (CPU here, peak MiB) of each step."""
    shown = [step for step in ALL_STEPS if any(cell.step == step for cell in found)]
    for place, tree, rtt in dict.fromkeys((c.place, c.tree, c.rtt) for c in found):
        yield f"\n{tree}, {rtt} ms, {place}: seconds on the clock (of CPU here + there; peak MiB)"
        yield f"{'':10}" + "".join(f"{step:>26}" for step in shown)
        for tool in dict.fromkeys(c.tool for c in found if (c.place, c.tree, c.rtt) == (place, tree, rtt)):
            cells = [found.get(Cell(place, tree, rtt, tool, step)) for step in shown]
            yield f"{tool:10}" + "".join(f"{_cost(cost, least_mib):>26}" for cost in cells)


def _cost(cost: Cost | None, least_mib: float) -> str:
    if cost is None:
        return "-"
    memory = f"{cost.mib:.0f}" if cost.mib > least_mib + 1 else f"<{least_mib:.0f}"
    return f"{cost.seconds:.2f} ({cost.cpu:.2f} + {cost.there:.2f}; {memory})"


@dataclass(frozen=True)
class Verdict:
    """One target: the ratio that was found, of seconds or of CPU seconds, and the most that it may be."""

    cell: Cell
    of: str
    ratio: float
    most: float
    figure: str = "seconds"

    @property
    def holds(self) -> bool:
        """Whether it is met."""
        return self.ratio <= self.most


def verdicts(found: dict[Cell, Cost], name: str) -> list[Verdict]:
    """Every target of ``name`` for which both sides were measured."""
    made = []
    for cell, cost in found.items():
        for figure, most, of in _targets(cell) if cell.tool == name else ():
            other = found.get(Cell(cell.place, cell.tree, cell.rtt, of, cell.step))
            if other is not None:
                made.append(Verdict(cell, of, getattr(cost, figure) / getattr(other, figure), most, figure))
    return sorted(made, key=lambda v: (v.cell.place, ALL_STEPS.index(v.cell.step), v.cell.tree, v.cell.rtt, v.figure))


def _targets(cell: Cell) -> Iterable[tuple[str, float, str]]:
    """What is judged, the most that it may be, of whom."""
    of_step = TARGETS.get(cell.step, {})
    usual = of_step.get((cell.tree, cell.rtt), ())
    yield from (("seconds", *one) for one in of_step.get((cell.place, cell.tree, cell.rtt), usual))
    if cell.step in STEPS and cell.tree != MANY:
        yield "both", *CPU_TARGET


def verdict_lines(found: list[Verdict]) -> Iterable[str]:
    """A line for each target."""
    for one in found:
        what = f"{one.cell.step}, {one.cell.tree}, {one.cell.rtt} ms, {one.cell.place}"
        of = f"{one.of}'s CPU" if one.figure == "both" else one.of
        yield f"{'pass' if one.holds else 'FAIL'}  {what:44} {one.ratio:5.2f} x {of} (at most {one.most:g})"


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
