"""What the commands over all hosts share: a list of hosts, the state of a path, in words and as JSON."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from typing import Any

from pacha.files.entry import Kind
from pacha.fleet.collect import SEALED
from pacha.fleet.index import PathState
from pacha.text import enumerated, escape
from pacha.ui.console import at_terminal, size_text

_MOST_HOSTS = 8  #: that a person is shown of a group
_TYPES = {
    "f": stat.S_IFREG, "d": stat.S_IFDIR, "l": stat.S_IFLNK, "p": stat.S_IFIFO, "c": stat.S_IFCHR, "b": stat.S_IFBLK,
    "s": stat.S_IFSOCK,
}  # fmt: skip


def host_list(hosts: Sequence[str]) -> str:
    """The names of hosts; at a terminal only the first."""
    return enumerated(hosts, _MOST_HOSTS if at_terminal() else len(hosts))


def number_of_hosts(number: int) -> str:
    """``number`` of hosts."""
    return f"{number} host{'' if number == 1 else 's'}"


def mode_text(kind: str, mode: int) -> str:
    """Type and permissions as ls(1) has them: ``-rw-r--r--``."""
    return stat.filemode(_TYPES[kind] | mode)


def state_text(state: PathState) -> str:
    """What is at a path, on one line."""
    owner = f"{escape(state.owner)}:{escape(state.group)}"
    words = [mode_text(state.kind, state.mode), owner]
    if state.kind == Kind.FILE.value:
        digest = "sealed" if state.content == SEALED else f"sha256 {state.content.hex()[:12]}"
        words += [size_text(state.size).strip(), digest]
    elif state.content:
        words.append(f"-> {escape(state.content)}" if state.kind == Kind.SYMLINK.value else escape(state.content))
    return "  ".join(words)


def state_json(state: PathState) -> dict[str, Any]:
    """The same as JSON values; ``sha256`` of a file, ``target`` of a link, null for anything else."""
    return {
        "kind": state.kind,
        "mode": f"{state.mode:04o}",
        "owner": escape(state.owner),
        "group": escape(state.group),
        "size": state.size,
        "sha256": state.content.hex() if state.kind == Kind.FILE.value and state.content != SEALED else None,
        "target": escape(state.content) if state.kind == Kind.SYMLINK.value else None,
    }
