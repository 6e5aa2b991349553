"""Hooks of a host on its master."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.rebuild import hooks
from pacha.wire.local_master import LocalMaster


def hook(master: Path, name: str, text: str, *, folder: str = "pacha_pre", mode: int = 0o755) -> Path:
    """Write a hook of the host bar on ``master``; return its path."""
    path = master / ".hooks" / "bar" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return path


@contextmanager
def fetched(tmp_path: Path) -> Iterator[hooks.Hooks]:
    """The hooks as a rebuild of bar fetches them; nothing of them is left afterwards."""
    state = tmp_path / "state"
    state.mkdir(exist_ok=True)
    with hooks.fetched(state, LocalMaster(os.fsencode(tmp_path), lambda path: None), "bar") as found:
        yield found
    assert list(state.iterdir()) == []
