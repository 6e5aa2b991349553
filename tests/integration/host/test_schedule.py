"""The job as a real cron daemon runs it."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from pacha.host import schedule
from pacha.host.schedule import CRON, Job
from tests.support.jobs import job_of_bar  # noqa: F401

# Its own spool and cron.d, in a mount namespace of its own: the machine's are neither seen nor touched.
_CRON_NAMESPACE = """
set -e
mount -t tmpfs none /etc/cron.d
mount -t tmpfs none /var/spool/cron
mkdir -p /var/spool/cron/crontabs
mount --bind "$1" /etc/crontab
mount -t tmpfs none /run
sed -E 's/^[0-9,]+ /* /' "$2" > /etc/cron.d/pacha
exec timeout 100 cron -f
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("PACHA_CRON"), reason="takes a minute: PACHA_CRON=1")
def test_a_real_cron_runs_it(job: Job, tmp_path: Path, as_root: None) -> None:
    """Only the minute is changed, to each: the line itself is what cron runs."""
    schedule.install(job, False, False)
    (tmp_path / "empty").write_text("")
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _CRON_NAMESPACE, "sh"]
    daemon = subprocess.Popen([*command, tmp_path / "empty", job.root / CRON], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        while not (tmp_path / "ran").exists() and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        daemon.kill()  # and with it everything in its namespace
        daemon.wait()
    assert (tmp_path / "ran").read_text() == "-q push --due\n"
