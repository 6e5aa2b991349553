"""What would run the job is there, and runs; a file that nothing reads is not taken for a schedule."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.host import runner, schedule
from pacha.host.schedule import CRON, SERVICE, Job
from tests.support.jobs import job_of_bar  # noqa: F401


def program(root: Path, path: str) -> Path:
    made = root / path
    made.parent.mkdir(parents=True, exist_ok=True)
    made.touch(0o755)
    return made


def why(root: Path) -> str:
    idle = runner.idle(root)
    return idle.why if idle else ""


def test_without_a_job_nothing_is_missing(tmp_path: Path) -> None:
    assert runner.idle(tmp_path) is None


def test_a_file_for_cron_needs_a_cron_that_reads_it(job: Job) -> None:
    schedule.install(job, False, False)
    assert "no cron daemon" in why(job.root)
    (job.root / "usr/sbin").mkdir(parents=True)
    program(job.root, "bin/busybox")
    (job.root / "usr/sbin/crond").symlink_to(job.root / "bin/busybox")
    assert "busybox" in why(job.root)
    program(job.root, "usr/sbin/cron")
    assert runner.idle(job.root) is None


def test_a_timer_needs_systemd(job: Job) -> None:
    schedule.install(job, True, False)
    assert "systemd does not run" in why(job.root)
    program(job.root, "lib/systemd/systemd")
    assert runner.idle(job.root) is None


def test_systemd_reads_the_file_of_cron_where_it_has_a_generator_for_it(job: Job) -> None:
    schedule.install(job, False, False)
    program(job.root, "lib/systemd/systemd")
    assert why(job.root)
    program(job.root, "lib/systemd/system-generators/systemd-crontab-generator")
    assert runner.idle(job.root) is None


def test_a_daemon_is_looked_for_among_the_processes(tmp_path: Path) -> None:
    cron = [Path("/usr/sbin/cron")]
    assert runner._is_running(cron, tmp_path / "absent") is None
    assert runner._is_running(cron, tmp_path) is None, "an empty /proc is not mounted"
    for number, name, root in (("7", "sh", "/"), ("8", "cron", str(tmp_path))):
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
        (tmp_path / number / "root").symlink_to(root)
    assert runner._is_running(cron, tmp_path) is False, "the cron outside of a chroot does not count"
    (tmp_path / "8" / "root").unlink()
    (tmp_path / "8" / "root").symlink_to("/")
    assert runner._is_running(cron, tmp_path) is True


@pytest.mark.parametrize("name", ["pacha", "pa cha", "pa%cha", "pa'cha"])
def test_the_program_that_the_job_names_is_looked_for(job: Job, name: str) -> None:
    there = str(program(job.root, f"bin/{name}"))
    for systemd, path in ((True, SERVICE), (False, CRON)):
        schedule.install(replace(job, command=(there, "--config", "/x")), systemd, False)
        assert schedule.program_of(job.root / path) == there
        assert runner._program(Path("/"), job.root / path) is None
    os.unlink(there)
    assert "is not there" in getattr(runner._program(Path("/"), job.root / CRON), "why", "")


@pytest.mark.parametrize("command", ['"/usr/bin/pacha push', "", "nice /usr/bin/pacha push", "-/bin/sh -c true"])
def test_a_job_that_somebody_edited_is_no_fault(job: Job, command: str) -> None:
    for systemd, path, start in ((True, SERVICE, "ExecStart="), (False, CRON, "7 * * * * root ")):
        schedule.install(job, systemd, False)
        (job.root / path).write_text(f"{start}{command}\n")
        assert runner._program(Path("/"), job.root / path) is None
