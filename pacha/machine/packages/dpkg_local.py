"""The administrator's settings for the files of packages in dpkg: overrides of owner and mode, and diversions."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

_OVERRIDE = re.compile(r"(#?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}) (#?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}) ([0-7]{3,5}) (/\S+)")
_DIVERSION = re.compile(r"(/\S+) -> (/\S+)")


def overrides(recorded: Sequence[str], present: Sequence[str], root: Path = Path("/")) -> list[list[str]]:
    """Return the commands that add the ``recorded`` overrides (dpkg-statoverride(1)) that are not ``present``.

    Left out are those for files that do not exist, and lines that dpkg does not write.
    """
    matches = [match for line in recorded if line not in present and (match := _OVERRIDE.fullmatch(line))]
    existing = [
        match.groups() for match in matches if _is_plain(match.group(4)) and os.path.lexists(root / match.group(4)[1:])
    ]
    return [["dpkg-statoverride", "--force-statoverride-add", "--update", "--add", *words] for words in existing]


def diversions(
    recorded: Sequence[str], present: Sequence[str], restored: Collection[str]
) -> tuple[list[list[str]], list[str]]:
    """Return the commands for the ``recorded`` diversions that are not ``present``, and those left to a person.

    There is a command only if the rebuild has ``restored`` the file in the place of the diverted one.
    """
    matches = [match for line in recorded if line not in present and (match := _DIVERSION.fullmatch(line))]
    pairs = [match.groups() for match in matches if all(map(_is_plain, match.groups()))]
    command = ["dpkg-divert", "--local", "--rename", "--divert"]
    commands = [[*command, to, "--add", path] for path, to in pairs if path in restored]
    return commands, [f"{path} -> {to}" for path, to in pairs if path not in restored]


def _is_plain(path: str) -> bool:
    return path.isprintable() and ".." not in path.split("/")
