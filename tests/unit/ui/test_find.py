"""A path that was found, on a line."""

from __future__ import annotations

from pacha.fleet.find import FoundPath
from pacha.fleet.index import PathState
from pacha.ui import find


def test_a_hostile_name_is_escaped() -> None:
    state = PathState(kind="d", mode=0o755, owner=b"root", group=b"root", size=0, content=b"", stored=b"", parts=0)
    found = FoundPath(b"/etc/\x1b[2J", state, ("a", "b"))
    assert find.found_text(found) == "/etc/\\x1b[2J  drwxr-xr-x  root:root  2: a, b"
    assert find.found_json(found)["path"] == "/etc/\\x1b[2J"
