"""A job that nothing runs is named by all that speak of it, from the moment that it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machine import Machine

NOBODY = "nothing runs"


@pytest.mark.parametrize("kind", ["--cron", "--systemd"])
def test_nothing_here_runs_it(tmp_path: Path, as_root: None, kind: str) -> None:
    machine = Machine(tmp_path)
    machine.write("/srv/foo/one")
    machine.pacha("watch", "/srv/foo", "/etc")
    installed = machine.pacha("schedule", "install", kind, code=3)
    assert NOBODY in installed.err and "pacha push --due" in installed.err
    assert NOBODY in machine.pacha("schedule", "install", kind, code=3).err, "also where it is installed already"
    machine.pacha("push", code=None)
    assert NOBODY in machine.pacha("status", code=3).out and NOBODY in machine.pacha("doctor", code=3).out
    assert NOBODY in machine.pacha().out
    machine.lose("/srv/foo", "/etc/cron.d", "/etc/systemd")
    assert NOBODY in machine.pacha("rebuild", "bar", "--yes", code=3).err
