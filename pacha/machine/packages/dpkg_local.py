"""What an administrator told dpkg about the files of packages: overrides of owner and mode, and diversions."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

_OVERRIDE = re.compile(r"(#?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}) (#?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}) ([0-7]{3,5}) (/\S+)")
_DIVERSION = re.compile(r"(/\S+) -> (/\S+)")


def overrides(recorded: Sequence[str], present: Sequence[str], root: Path = Path("/")) -> list[list[str]]:
    """The commands that add the overrides of dpkg-statoverride(1) which are not ``present``, for files that are here.

    Those of another text than dpkg writes are passed over.
    """
    found = [match for line in recorded if line not in present and (match := _OVERRIDE.fullmatch(line))]
    there = [
        match.groups() for match in found if _is_plain(match.group(4)) and os.path.lexists(root / match.group(4)[1:])
    ]
    return [["dpkg-statoverride", "--force-statoverride-add", "--update", "--add", *words] for words in there]


def diversions(
    recorded: Sequence[str], present: Sequence[str], restored: Collection[str]
) -> tuple[list[list[str]], list[str]]:
    """The commands that make the diversions which are not ``present``, and those that are left to a person.

    A diversion is made only where the rebuild restores what stood in the place of the diverted file.
    """
    found = [match for line in recorded if line not in present and (match := _DIVERSION.fullmatch(line))]
    pairs = [match.groups() for match in found if all(map(_is_plain, match.groups()))]
    commands = [_divert(path, to) for path, to in pairs if path in restored]
    return commands, [f"{path} -> {to}" for path, to in pairs if path not in restored]


def _divert(path: str, to: str) -> list[str]:
    return ["dpkg-divert", "--local", "--rename", "--divert", to, "--add", path]


def _is_plain(path: str) -> bool:
    return path.isprintable() and ".." not in path.split("/")
