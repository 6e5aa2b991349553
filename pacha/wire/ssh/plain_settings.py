"""Read ssh_config(5) with paramiko's reader, where there is no ssh to ask.

That reader ignores Include, and takes an unknown condition of Match as true. So a block with one of these is refused if
it could concern the host, else left out.
"""

from __future__ import annotations

import fnmatch
import importlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pacha.errors import ConfigError
from pacha.text import one_line
from pacha.wire.ssh.library import paramiko

_LINE = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.+)")
_CONDITIONS = frozenset(["all", "canonical", "exec", "host", "originalhost", "user", "localuser"])
#: The keywords that Pacha reads.
_OF_CONCERN = frozenset(
    [
        *("certificatefile", "globalknownhostsfile", "hostkeyalias", "hostname", "identitiesonly", "identityagent"),
        *("identityfile", "include", "port", "proxycommand", "proxyjump", "user", "userknownhostsfile"),
    ]
)


@dataclass
class _Block:
    """The lines from a Host or Match to the next, with their numbers."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def words(self) -> list[tuple[int, str, str]]:
        """The number, keyword (in lower case) and value of each setting."""
        matches = [(number, _LINE.fullmatch(line.strip())) for number, line in self.lines]
        return [(number, match[1].lower(), match[2]) for number, match in matches if match and match[1][0] != "#"]

    def concerns(self, host: str) -> bool:
        """Whether it may match ``host``, and has a keyword that Pacha reads."""
        words = self.words()
        _, keyword, value = words[0] if words else (0, "", "")
        patterns = _patterns(keyword, value)
        speaks = patterns is None or any(fnmatch.fnmatchcase(host, pattern) for pattern in patterns)
        return speaks and any(keyword in _OF_CONCERN for _, keyword, _ in words)


def read_settings(text: bytes, host: str, config: Path) -> dict[str, str | list[str]]:
    """The settings for ``host``. Raises ConfigError for a line that is not understood and may concern it."""
    lines: list[str] = []
    for block in _blocks(text.decode("utf-8", "replace")):
        fault, words = _fault(block), block.words()
        is_global = not words or words[0][1] not in ("host", "match")
        if fault and block.concerns(host):
            number, line = fault
            raise ConfigError(
                f"{config} cannot be read.",
                f"line {number}: {one_line(line)}: only ssh itself understands this",
                "Install ssh (openssh-client), which Pacha asks then, or correct that file.",
                code="ssh-config-unreadable",
            )
        lines += [] if fault and not is_global else [line for _, line in block.lines]
    return _looked_up("\n".join(lines), host, config)


def _blocks(text: str) -> list[_Block]:
    blocks = [_Block()]
    for number, line in enumerate(text.split("\n"), 1):
        if re.match(r"\s*(host|match)\b", line, re.IGNORECASE):
            blocks.append(_Block())
        blocks[-1].lines.append((number, line))
    return blocks


def _fault(block: _Block) -> tuple[int, str] | None:
    """The line that paramiko's reader would ignore or misread, None for none."""
    for number, keyword, value in block.words():
        if keyword == "include" or (keyword == "match" and not _conditions(value) <= _CONDITIONS):
            return number, f"{keyword.capitalize()} {value}"
    return None


def _conditions(value: str) -> set[str]:
    """The conditions of a Match; most have an argument."""
    words, conditions = _split(value), set()
    while words:
        name, equals, _ = words.pop(0).lower().removeprefix("!").partition("=")
        conditions.add(name)
        if name not in ("all", "canonical", "final") and not equals:
            words[:1] = []
    return conditions


def _patterns(keyword: str, value: str) -> Sequence[str] | None:
    """The patterns that a block is for; None: it may be for any host."""
    words = _split(value)
    if keyword == "host":
        return [word for word in words if not word.startswith("!")]
    lower = [word.lower() for word in words]
    if keyword == "match" and "originalhost" in lower[:-1]:  # "host" compares with HostName's value
        return words[lower.index("originalhost") + 1].split(",")
    return None


def _split(value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError:
        return value.split()


def _looked_up(text: str, host: str, config: Path) -> dict[str, str | list[str]]:
    try:
        if "exec" in text.lower():
            vars(paramiko.config)["invoke"] = importlib.import_module("invoke")  # see library
        return dict(paramiko.SSHConfig.from_text(text).lookup(host))
    except Exception as error:  # the reader raises many kinds: KeyError, ImportError ...
        raise ConfigError(
            f"{config} cannot be read.", one_line(str(error)), "Correct that file.", code="ssh-config-unreadable"
        ) from error
