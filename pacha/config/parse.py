"""Parse the text of a configuration: one ``[DEFAULT]`` section becomes a ``Config``; all faults are reported together.

The grammar is that of configparser in the standard library, without interpolation: a ``%`` is a ``%``.
"""

from __future__ import annotations

import configparser
import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacha.config.config import Config
from pacha.config.keys import KEYS, NAMES, Key
from pacha.errors import ConfigError
from pacha.text import printable

_OBSOLETE = re.compile(r"pacha\.(master|log\..+|hg\.autocorrect)")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the file; ``key`` is empty where it concerns no single key."""

    key: str
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.key)}: {self.reason}" if self.key else self.reason


class ConfigFaults(ConfigError):
    """The faults of a file: in ``faults``, and joined in ``why``."""

    def __init__(self, path: Path | None, faults: list[Fault]) -> None:
        where = printable(str(path)) if path else "configuration"
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        hint = "Correct the file: pacha.conf.example explains every key."
        super().__init__(f"{where}: {count}.", "; ".join(map(str, faults)), hint, code="configuration-faults")
        self.faults = tuple(faults)


def parse_config(text: str, path: Path | None = None) -> Config:
    """Return the configuration in ``text``; ``path`` is only for messages. Raises ConfigFaults."""
    faults: list[Fault] = []
    given, warnings = _known(_ini(text, faults), faults)
    fields: dict[str, Any] = {}
    for key in KEYS:
        try:
            fields[key.field] = key.parse(_one_line(key, given.get(key.name, key.default)))
        except ValueError as error:
            faults.append(Fault(key.name, str(error)))
    if faults:
        raise ConfigFaults(path, faults)
    if "pacha.ssh.port" not in given:
        fields["ssh_port"] = None  # so that a Port of ~/.ssh/config counts
    return Config(**fields, path=path, warnings=warnings, given=tuple(given.items()))


def _ini(text: str, faults: list[Fault]) -> dict[str, str]:
    """Return keys (lower case) and texts of the ``[DEFAULT]`` section; append each fault to ``faults``."""
    lines = text.split("\n")
    while True:
        parser = configparser.RawConfigParser(strict=True)
        try:
            parser.read_string("\n".join(lines))
        except configparser.DuplicateOptionError as error:
            faults.append(Fault(error.option, f"is set twice, the second time in line {error.lineno}"))
            lines[(error.lineno or 1) - 1] = ""  # look for further faults
            continue
        except configparser.DuplicateSectionError as error:
            lines[(error.lineno or 1) - 1] = ""  # the first occurrence is reported below
            continue
        except configparser.MissingSectionHeaderError as error:
            faults.append(Fault("", f"line {error.lineno} has no line [DEFAULT] above it"))
        except configparser.ParsingError as error:
            faults += [Fault("", f"line {number} has no key or no '='") for number, _ in error.errors]
        break
    faults += [Fault("", f"section [{printable(name)}]: only [DEFAULT] is read") for name in parser.sections()]
    return {key: value for key, value in parser.defaults().items() if isinstance(value, str)}


def _known(given: dict[str, str], faults: list[Fault]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the known keys that are not empty, and a warning for each obsolete one."""
    warnings: list[str] = []
    for name in (name for name in given if name not in NAMES):
        if _OBSOLETE.fullmatch(name):
            warnings.append(f"{printable(name)}: is not used any more; remove the line")
        else:
            nearest = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)
            faults.append(Fault(name, f"no such key; the nearest is {nearest[0]}"))
    return {name: given[name] for name in NAMES if given.get(name)}, tuple(warnings)


def _one_line(key: Key, value: str) -> str:
    """Return ``value``. Raises ValueError for a probable mistake, such as a comment or an indented line in it."""
    for line in value.split("\n")[1:]:
        if re.match(r"pacha\.[^\s=:]*\s*[=:]", line, re.IGNORECASE):
            raise ValueError(f"the line '{printable(line)}' below it is indented, so it counts as part of the value")
    if "\n" in value and not key.many:
        raise ValueError("goes over several lines")
    if not value.replace("\n", "").replace("\t", "").isprintable():
        raise ValueError(f"'{printable(value)}' holds a control character")
    if re.search(r"(^|\s)[#;]", value):
        raise ValueError("holds '#' or ';': a comment needs a line of its own (in a pattern, write [#] or [;])")
    return value
