"""A rebuild of one root that has just begun: its journal and its directories."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.restore.dirfd import SafeDirectories
from pacha.restore.journal import Journal


@dataclass(frozen=True)
class Begun:
    """The ``root`` that is rebuilt, the journal of that, and the directories."""

    root: Path
    journal: Journal
    descent: SafeDirectories

    def path(self, *names: str) -> bytes:
        """A path below the root."""
        return os.fsencode(self.root.joinpath(*names))


@pytest.fixture(name="begun")
def begun_rebuild(tmp_path: Path) -> Iterator[Begun]:
    top = tmp_path.resolve()
    (top / "root/sub").mkdir(parents=True)
    journal = Journal.begin(os.fsencode(top / "state"), "bar")
    with SafeDirectories([os.fsencode(top / "root")]) as descent:
        yield Begun(top / "root", journal, descent)
    journal.close()
