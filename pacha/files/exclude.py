"""Exclude rules: decide which paths below a watched path are left out.

A pattern without a slash matches a name at any depth; one that starts with a slash matches an absolute
path; any other matches a path relative to the watched one. ``*`` and ``?`` stop at a slash, ``**`` does
not, ``[...]`` is a set as in glob(7), and a pattern that ends in a slash matches directories only.
Everything below an excluded directory is excluded with it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pacha.errors import ConfigError
from pacha.files import paths
from pacha.text import printable


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled patterns. Matching a name costs one regular expression at most."""

    patterns: tuple[str, ...]
    names: re.Pattern[bytes] | None
    relative: re.Pattern[bytes] | None
    absolute: re.Pattern[bytes] | None

    @classmethod
    def of(cls, patterns: Sequence[str]) -> Rules:
        """Compile ``patterns`` (str, as in the configuration). Raises ValueError naming an invalid one."""
        valid = tuple(pattern for pattern in patterns if pattern.strip("/"))
        return cls(
            valid,
            _any([p for p in valid if "/" not in p.rstrip("/")]),
            _any([p for p in valid if "/" in p.rstrip("/") and not p.startswith("/")]),
            _any([p for p in valid if p.startswith("/")]),
        )

    @classmethod
    def of_setting(cls, key: str, patterns: Sequence[str]) -> Rules:
        """Compile the ``patterns`` that the configuration has under ``key``. Raises ConfigError for an invalid one."""
        try:
            return cls.of(patterns)
        except ValueError as error:
            raise ConfigError(
                f"{key} has an invalid pattern.",
                printable(str(error)),
                "Correct it in the configuration.",
                code="pattern-invalid",
            ) from None

    def match(self, name: bytes, relative: bytes, path: bytes, is_directory: bool) -> bool:
        """Whether ``path`` is left out: absolute, ``relative`` to its watched path, with ``name`` as last component."""
        end = b"/" if is_directory else b""
        return any(
            rule is not None and rule.match(text + end) is not None
            for rule, text in ((self.names, name), (self.relative, relative), (self.absolute, path))
        )

    def match_with_parents(self, path: bytes) -> bool:
        """Whether the absolute ``path`` or a directory above it is left out, on a machine of which all is watched."""
        steps = (path, *paths.ancestors(path))
        return any(self.match(paths.name(each), each.lstrip(b"/"), each, each != path) for each in steps)


def _any(patterns: Sequence[str]) -> re.Pattern[bytes] | None:
    if not patterns:
        return None
    return re.compile(b"(?s:" + b"|".join(_expression(os.fsencode(p)) for p in patterns) + rb")\Z")


def _expression(pattern: bytes) -> bytes:
    """One glob as a regular expression. A directory is matched with a final slash, which the glob need not have."""
    only_directories = pattern.endswith(b"/")
    parts = re.split(rb"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])", pattern.rstrip(b"/"))
    try:
        body = b"".join(_part(part) for part in parts)
        re.compile(body)
    except re.error as error:
        raise ValueError(f"{os.fsdecode(pattern)}: {error}") from None
    # A wildcard after a slash matches at least one character: "cache/*" is what lies in cache, not cache itself.
    return body + rb"(?<!/)" + (b"/" if only_directories else b"/?")


def _part(part: bytes) -> bytes:
    wild = {b"**/": b"(?:.*/)?", b"**": b".*", b"*": b"[^/]*", b"?": b"[^/]"}.get(part)
    if wild is not None:
        return wild
    if part.startswith(b"[") and part.endswith(b"]") and len(part) > 2:
        inside = re.sub(rb"([\\\[&~|])", rb"\\\1", part[1:-1])
        return b"(?!/)[" + (b"^" + inside[1:] if inside.startswith(b"!") else inside) + b"]"
    return re.escape(part)
