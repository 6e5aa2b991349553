"""What a master's overview says of a host's folder that its account may not look into."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.server.hosts import State, hosts
from tests.support.standalone import standalone


def test_a_db_that_cannot_be_looked_at_is_not_gone(open_folder: Path, as_root: None) -> None:
    bar = standalone(open_folder)
    bar.push()
    (bar.master / "db").chmod(0o700)
    for folder in (bar.master, bar.master.parent):
        folder.chmod(0o755)
    (bar.master / "last-push").chmod(0o644)
    os.seteuid(65534)
    try:
        [seen] = hosts(os.fsencode(bar.master.parent))
    finally:
        os.seteuid(0)
    assert seen.state is State.SILENT and "gone" not in seen.note and "cannot be read" in seen.note
