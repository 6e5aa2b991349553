"""The job that pushes by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.host.schedule import Job


@pytest.fixture(name="job")
def job_of_bar(tmp_path: Path) -> Job:
    """The job of the host bar below ``tmp_path``; its program notes what it was called with."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    program = tmp_path / "bin" / "pacha"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\nexit 3\n')
    program.chmod(0o755)
    return Job(tmp_path, (str(program),), "bar")
