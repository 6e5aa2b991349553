"""What a master's overview says of a host's folder that its account may not look into."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.files.paths import ancestors
from pacha.server.hosts import State, hosts
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


def test_a_db_that_cannot_be_looked_at_is_not_gone(bar: Standalone, as_root: None) -> None:
    bar.push()
    (bar.master / "db").chmod(0o700)
    for folder in (os.fsencode(bar.master), *ancestors(os.fsencode(bar.master))):
        if folder.startswith(b"/tmp/"):
            os.chmod(folder, 0o755)
    (bar.master / "last-push").chmod(0o644)
    os.seteuid(65534)
    try:
        [seen] = hosts(os.fsencode(Path(bar.master).parent))
    finally:
        os.seteuid(0)
    assert seen.state is State.SILENT and "gone" not in seen.note and "cannot be read" in seen.note
