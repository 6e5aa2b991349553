"""Whoever can add a revision to a host's ``db``: a thief of its key, or the master."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.support.mercurial import run_hg
from tests.support.stage import Host


def forge(host: Host, act: Callable[[sqlite3.Connection], object], hosts: Path | None = None, date: str = "now") -> str:
    """A newest snapshot on the master: the last one after ``act``, dated as hg(1) understands it. Returns its node."""
    repository = (hosts or host.stage.hosts) / host.name / "db"
    clone = host.stage.folder / f"forger-{os.urandom(4).hex()}"
    run_hg("clone", "-q", str(repository), str(clone))
    with closing(sqlite3.connect(clone / "pacha.db")) as database:
        act(database)
        database.commit()
    run_hg("-R", str(clone), "commit", "-q", "-u", "root@bar", "-d", date, "-m", "bar: 1 changed")
    run_hg("-R", str(repository), "pull", "-q", str(clone))
    for path in (repository, *repository.rglob("*")):
        os.chown(path, host.stage.account.uid, host.stage.account.gid)
    return run_hg("-R", str(repository), "log", "-r", "tip", "--template", "{node}").strip()


def watched(host: Host) -> str:
    """What the host watches, with the rules, by its own pacha.db."""
    with closing(sqlite3.connect(host.state / "pacha.db")) as database:
        rows = "SELECT path, exclude, retired FROM watched WHERE NOT retired ORDER BY path"
        return str([(os.fsdecode(path), exclude) for path, exclude, _ in database.execute(rows)])


def retire_one_and_leave_out_the_rest(kept: Path, retired: Path) -> Callable[[sqlite3.Connection], None]:
    """Makes a snapshot that watches ``kept`` with the rule ``*``, and ``retired`` no more."""

    def act(database: sqlite3.Connection) -> None:
        database.execute("UPDATE watched SET exclude = '[\"*\"]' WHERE path = ?", (os.fsencode(kept),))
        database.execute("UPDATE watched SET retired = 1 WHERE path = ?", (os.fsencode(retired),))
        for table in ("entry", "parent"):
            database.execute(f"DELETE FROM {table} WHERE path != ?", (os.fsencode(kept),))

    return act
