"""One step of one tool: run, and what a rebuild brought back compared with the tree."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from speed_parts.measure import Cost, compare, run
from speed_parts.stand import Stand
from speed_parts.tools import BELOW, REBUILD, Tool


def measured(place: Stand, tree: Path, tool: Tool, step: str) -> Cost:
    """Do ``step`` of ``tool``; a rebuild whose tree differs ends the benchmark."""
    os.sync()  # what an earlier one left to be written is not for this one to pay
    before = place.server.cpu()
    cost = _done(place.folder, tree, tool, step)
    return replace(cost, there=place.server.cpu() - before)


def _done(folder: Path, tree: Path, tool: Tool, step: str) -> Cost:
    if step not in (REBUILD, BELOW):
        return run(tool.steps[step], tool.environment, folder)
    aside, in_place = tree.with_name("aside"), tool.in_place and step == REBUILD
    if in_place:
        tree.rename(aside)
    try:
        cost = run(tool.steps[step], tool.environment, folder)
        if step in tool.rebuilt:
            compare(aside if in_place else tree, tool.rebuilt[step], metadata=tool.metadata)
    finally:
        if in_place:
            shutil.rmtree(tree, ignore_errors=True)
            aside.rename(tree)
    return cost
