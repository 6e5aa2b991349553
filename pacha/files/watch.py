"""What a scan looks at: a watched path, and what below it is passed over."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from pacha.files import names, paths
from pacha.files.exclude import Rules


@dataclass(frozen=True, slots=True)
class Watch:
    """A watched path and its rules. ``path`` is absolute bytes; ``single``: one file.

    With ``parts`` (absolute bytes), only what is at, below or above one of them is scanned.
    """

    path: bytes
    single: bool
    rules: Rules
    one_filesystem: bool
    parts: tuple[bytes, ...] = ()
    _start: int = field(init=False, repr=False, compare=False)  #: of what is relative to ``path``, in a path below it

    def __post_init__(self) -> None:
        object.__setattr__(self, "_start", len(paths.prefix(self.path)))

    def passes_over(self, item: os.DirEntry[str], name: bytes, path: bytes) -> bool:
        """Whether what a directory lists is Pacha's own, not related to any of ``parts``, or excluded by a rule."""
        if name.startswith(b".pacha-") and names.is_pachas_own(name):
            return True
        if self.parts and not _is_related(self.parts, path):
            return True
        return bool(self.rules.patterns) and self._excludes_item(item, name, path)

    def _excludes_item(self, item: os.DirEntry[str], name: bytes, path: bytes) -> bool:
        try:
            return self.excludes(name, path, item.is_dir(follow_symlinks=False))
        except OSError:  # nobody knows whether it is a directory: either will do
            return self.excludes(name, path, False) or self.excludes(name, path, True)

    def excludes(self, name: bytes, path: bytes, is_directory: bool) -> bool:
        """Whether a rule excludes ``path``, whose last component is ``name``."""
        return bool(self.rules.patterns) and self.rules.match(name, path[self._start :], path, is_directory)


def _is_related(parts: tuple[bytes, ...], path: bytes) -> bool:
    return any(paths.is_within(path, part) or paths.is_within(part, path) for part in parts)
