"""``pacha.rebuild.keep``: what a rebuild leaves as it is. The patterns are those of ``pacha.exclude``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pacha.errors import Concern, ConfigError, UsageError
from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.files.exclude import Rules
from pacha.rebuild.renumber import Reowning
from pacha.store.host_state import LONGEST
from pacha.store.snapshot import Watched
from pacha.text import escape, printable

_STAYS = "kept as it is, but its accounts have other numbers now (paths: {number}): chown it by hand"


def rules(patterns: Sequence[str]) -> Rules:
    """The rules of ``patterns``. Raises ConfigError for an invalid pattern, and for too many."""
    try:
        if len(patterns) > LONGEST:
            raise ValueError(f"there are more than {LONGEST}")
        return Rules.of(patterns)
    except ValueError as error:
        raise ConfigError(
            "The patterns of pacha.rebuild.keep are not right.",
            printable(str(error)),
            "Correct it.",
            code="keep-pattern-invalid",
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which paths (as on disk) the ``rules`` keep.

    ``roots`` are the watched paths, as on disk below ``target``; ``system`` tells whether that is a system's root.
    """

    rules: Rules
    roots: Sequence[Watched]
    target: bytes
    system: bool
    _folders: dict[bytes, bool] = field(default_factory=dict)

    def matches(self, path: bytes, is_directory: bool) -> bool:
        """Whether ``path``, or a directory that it lies in, is kept."""
        return bool(self.rules.patterns) and (self._below(paths.parent(path)) or self._is_named(path, is_directory))

    def keeps(self, path: bytes, target: Mapping[bytes, Entry], actual: Mapping[bytes, Entry]) -> bool:
        """Whether the rebuild leaves ``path`` alone, given the ``target`` and the ``actual`` entries.

        What is absent stays absent in a system's root. A mere folder gets it, as it has nothing to keep.
        """
        if not self.rules.patterns:
            return False
        entries = [entries[path] for entries in (target, actual) if path in entries]
        is_directory = any(entry.kind is Kind.DIRECTORY for entry in entries)
        return self.matches(path, is_directory) and (path in actual or self.system)

    def check(self, parts: Sequence[bytes]) -> None:
        """Raise UsageError if one of the selected ``parts`` (paths as on disk) is kept."""
        for part in parts:
            if self.matches(part, os.path.isdir(part)):
                raise UsageError(
                    f"{escape(part)} is not restored.",
                    "pacha.rebuild.keep, or the same key in an earlier rebuild that is not settled, keeps it",
                    "Put it below another folder with --target, or change pacha.rebuild.keep.",
                    code="path-kept",
                )

    def sparing(self, reowning: Reowning) -> Reowning:
        """``reowning`` without the kept paths, and with a concern about them: they keep their numbers."""
        kept_paths = {step.path for step in reowning.steps if step.actual is not None and self._spares(step.actual)}
        counts = Counter(map(self._top, kept_paths))
        concerns = [Concern(top, _STAYS.format(number=number)) for top, number in sorted(counts.items())]
        steps = tuple(step for step in reowning.steps if step.path not in kept_paths)
        return replace(reowning, steps=steps, concerns=(*reowning.concerns, *concerns))

    def _spares(self, entry: Entry) -> bool:
        return self.matches(entry.path, entry.kind is Kind.DIRECTORY)

    def _top(self, path: bytes) -> bytes:
        """The highest directory above ``path`` that is kept; ``path`` itself where none is."""
        above = [directory for directory in paths.ancestors(path) if self._below(directory)]
        return above[-1] if above else path

    def _below(self, directory: bytes) -> bool:
        """Whether ``directory`` or one above it, up to the target, is kept."""
        if directory == b"/" or directory == self.target:
            return False
        if directory not in self._folders:
            self._folders[directory] = self._is_named(directory, True) or self._below(paths.parent(directory))
        return self._folders[directory]

    def _is_named(self, path: bytes, is_directory: bool) -> bool:
        inside = paths.strip_target(path, self.target) if self.system else path
        relatives = {inside[1:], *(root.relative(path) for root in self.roots if root.holds(path))} - {b""}
        return any(
            self.rules.match(paths.name(path), relative, whole, is_directory)
            for relative in relatives
            for whole in {path, inside}
        )


def tops(matching: Sequence[bytes]) -> tuple[bytes, ...]:
    """``matching`` (sorted) without what lies below another of them."""
    every = set(matching)
    return tuple(path for path in matching if every.isdisjoint(paths.ancestors(path)))
