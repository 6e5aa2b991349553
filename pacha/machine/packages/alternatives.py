"""The choices of an administrator among alternatives: the link groups of update-alternatives(1) in manual mode."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from pacha.machine.packages import source_files
from pacha.machine.packages.package_list import ALTERNATIVE, NAME

LINKS = "/etc/alternatives"


def manual(root: Path, folder: str) -> tuple[tuple[str, str], ...]:
    """Return name and path of each choice in the system below ``root``, sorted; ``folder`` has a file per group."""
    return tuple(_manual(root, folder))


def commands(
    recorded: Iterable[tuple[str, str]], root: Path, folder: str
) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """Return the commands for the ``recorded`` choices that differ here, and the choices that are impossible here.

    A choice is possible if its group has its path among the alternatives, and the path exists.
    """
    present = set(manual(root, folder))
    wanted = [choice for choice in recorded if choice not in present]
    impossible = [
        (name, path)
        for name, path in wanted
        if path not in _lines(root, f"{folder}/{name}") or not os.path.exists(root / path[1:])
    ]
    return [["update-alternatives", "--set", *choice] for choice in wanted if choice not in impossible], impossible


def _manual(root: Path, folder: str) -> Iterator[tuple[str, str]]:
    for place in source_files.listed(root, folder, NAME):
        name = os.path.basename(place)
        if _lines(root, place)[:1] == ["manual"]:
            try:
                path = os.readlink(root / LINKS[1:] / name)
            except OSError:
                continue
            if ALTERNATIVE.fullmatch(path):
                yield name, path


def _lines(root: Path, place: str) -> list[str]:
    return source_files.text_of(root, place).splitlines()
