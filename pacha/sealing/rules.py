"""Which paths are sealed: the patterns of ``pacha.seal``, which mean what they mean in ``pacha.exclude``. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from pacha.files import paths
from pacha.files.entry import Entry, Kind
from pacha.files.exclude import Rules


class SealRules:
    """Tells which files are sealed. A file has all its names sealed, or none: one in the clear would give it away."""

    def __init__(self, patterns: Sequence[str], roots: Collection[bytes] = ()) -> None:
        """Take ``patterns`` for files at or below ``roots``. Raises ConfigError naming an invalid one."""
        self._rules = Rules.of_setting("pacha.seal", patterns)
        self._roots = {paths.prefix(root): root for root in roots}
        self._folders: dict[bytes, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._rules.patterns)

    def matches(self, path: bytes) -> bool:
        """Whether a pattern matches the file ``path``, or a directory above it: within the root, the root, or above.

        Patterns never exclude a watched path itself; but a person who names it here wants it sealed.
        """
        root = next((root for prefix, root in self._roots.items() if path.startswith(prefix) or path == root), None)
        return root is not None and bool(self) and (self._match(path, root, False) or self._is_below(path, root))

    def wanted(self, entries: Mapping[bytes, Entry]) -> set[bytes]:
        """The paths among ``entries`` to be sealed: the files that match, and their other names."""
        if not self:
            return set()
        files = {path: entry for path, entry in entries.items() if entry.kind is Kind.FILE}
        found = {path for path in files if self.matches(path)}
        groups = {files[path].link_group for path in found} - {None}
        return found | {path for path, entry in files.items() if entry.link_group in groups}

    def _is_below(self, path: bytes, root: bytes) -> bool:
        folder = paths.parent(path)
        if path == b"/":
            return False
        if folder not in self._folders:
            self._folders[folder] = self._match(folder, root, True) or self._is_below(folder, root)
        return self._folders[folder]

    def _match(self, path: bytes, root: bytes, is_directory: bool) -> bool:
        name = paths.name(path) if paths.is_within(path, root) else b""  # above the root only by its whole path
        relative = path[len(paths.prefix(root)) :] if path != root else name
        return self._rules.match(name, relative if name else b"", path, is_directory)
