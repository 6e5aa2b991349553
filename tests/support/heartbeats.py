"""What a push leaves in a host's folder on the master, as far as an overview reads it."""

from __future__ import annotations

import json
from pathlib import Path

from pacha.text import rfc3339


def leave_heartbeat(folder: Path, at: float) -> None:
    """A host that pushed ``at`` a time (seconds since the epoch)."""
    store = folder / "db/.hg/store"
    store.mkdir(parents=True)
    (store / "00changelog.i").write_bytes(b"x")
    line = {"at": rfc3339(at), "tip": "ab" * 20, "exit": 0, "version": "1.0", "frequency": 12, "paths": 1, "files": 2}
    (folder / "last-push").write_text(json.dumps({**line, "size": 3}))
