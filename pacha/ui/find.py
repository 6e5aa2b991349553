"""Show the paths that were found on all hosts."""

from __future__ import annotations

from typing import Any

from pacha.fleet.find import FoundPath
from pacha.text import escape
from pacha.ui.console import at_terminal, columns, wrapped
from pacha.ui.fleet import host_list, state_json, state_text


def found_text(found: FoundPath) -> str:
    """A path, what is there, and the hosts that have it."""
    head = f"{escape(found.path)}  {state_text(found.state)}"
    hosts = f"{len(found.hosts)}: {host_list(found.hosts)}"
    if not at_terminal() or len(head) + len(hosts) + 2 <= columns():
        return f"{head}  {hosts}"
    return f"{head}\n{wrapped('    ', hosts, 4)}"


def found_json(found: FoundPath) -> dict[str, Any]:
    """The same as JSON values."""
    return {"path": escape(found.path), **state_json(found.state), "hosts": list(found.hosts)}
