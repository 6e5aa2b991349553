"""The job: its files, each host's own minute, and that only what is ours is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.host import schedule
from pacha.host.schedule import APT, CRON, SERVICE, TIMER, WANTED, Job
from tests.support.jobs import job_of_bar  # noqa: F401


def tree(root: Path) -> dict[str, bytes]:
    files = (
        path
        for path in (root / "etc").rglob("*")
        if path.is_file() and not path.is_symlink() and path.name != "machine-id"
    )
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def minute(text: str) -> str:
    return next(line for line in text.splitlines() if "* * * *" in line).split()[0]


def test_the_minute_is_the_hosts_own_and_stays(job: Job) -> None:
    chosen = [minute(replace(job, host=f"host{number}").files(False, False)[CRON]) for number in range(600)]
    assert chosen == [minute(replace(job, host=f"host{number}").files(False, False)[CRON]) for number in range(600)]
    counts = [chosen.count(str(number)) for number in range(60)]
    assert min(counts) > 0 and max(counts) < 30, "a thousand hosts are not to call at once"
    (job.root / "etc/machine-id").write_text("f" * 32)
    assert [minute(replace(job, host=f"host{n}").files(False, False)[CRON]) for n in range(600)] != chosen


def test_an_image_leaves_the_minute_to_the_machines(job: Job) -> None:
    (job.root / "etc/machine-id").write_text("")
    assert "FixedRandomDelay=true" in job.files(True, False)[TIMER]


def test_more_often_than_hourly(job: Job) -> None:
    often = replace(job, frequency=0.5)
    first, second = minute(often.files(False, False)[CRON]).split(",")
    assert int(second) - int(first) == 30
    assert f"*:{int(first):02d},{int(second):02d}:" in often.files(True, False)[TIMER]


@pytest.mark.parametrize("systemd", [True, False])
def test_installing_twice_changes_nothing_and_removing_leaves_nothing(job: Job, systemd: bool) -> None:
    assert schedule.install(job, systemd, True)
    before = {path: os.lstat(job.root / path) for path in tree(job.root)}
    assert schedule.install(job, systemd, True) == []
    assert {path: os.lstat(job.root / path) for path in tree(job.root)} == before
    assert all(status.st_mode & 0o7777 == 0o644 for status in before.values())
    assert os.path.lexists(job.root / WANTED) is systemd
    schedule.remove(job.root)
    assert tree(job.root) == {} and not os.path.lexists(job.root / WANTED)


def test_one_kind_takes_the_place_of_the_other(job: Job) -> None:
    schedule.install(job, False, True)
    schedule.install(job, True, False)
    assert sorted(tree(job.root)) == sorted([APT, SERVICE, TIMER])
    schedule.install(job, False, False)
    assert sorted(tree(job.root)) == sorted([APT, CRON])


@pytest.mark.parametrize("path", [CRON, APT])
def test_what_somebody_else_wrote_is_left_alone(job: Job, path: str) -> None:
    (job.root / path).parent.mkdir(parents=True)
    (job.root / path).write_text("# mine\n")
    with pytest.raises(PachaError, match="is there already"):
        schedule.install(job, False, True)
    schedule.remove(job.root)
    assert tree(job.root) == {path: b"# mine\n"}


@pytest.mark.parametrize("name", ["pa cha", "pa%cha", "pa$cha"])
def test_any_name_of_the_program_is_that_name(job: Job, tmp_path: Path, name: str) -> None:
    program = shutil.copy(job.command[0], tmp_path / name)
    files = replace(job, command=(str(program),)).files(False, True)
    line = next(line for line in files[CRON].splitlines() if "* * * *" in line)
    command = line.split(" root ", 1)[1].replace(r"\%", "%")  # as cron does it
    hook = files[APT].partition('"')[2].partition('"')[0]
    for number, text in enumerate((command, hook), 1):
        assert subprocess.run(["sh", "-c", text]).returncode == (3 if text is command else 0)
        assert len((tmp_path / "ran").read_text().splitlines()) == number


@pytest.fixture
def systemd_analyze() -> str:
    """The command; without it the test is skipped, visibly, and with CI set fails."""
    found = shutil.which("systemd-analyze")
    if found is None and os.environ.get("CI"):
        pytest.fail("systemd-analyze is missing, and CI is set: tests/run installs it")
    return found or pytest.skip("needs systemd-analyze")


def test_with_ci_set_systemd_must_be_there(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="CI is set"):
        request.getfixturevalue("systemd_analyze")


@pytest.mark.parametrize("name", ["pacha", "pa cha", "pa%cha", "pa$cha"])
def test_systemd_finds_nothing_wrong(job: Job, tmp_path: Path, name: str, systemd_analyze: str) -> None:
    program = shutil.copy(job.command[0], tmp_path / name)
    strange = {"PACHA_STATE": '/srv/a "b" %h $x'}
    command = (str(program), "--config", "/etc/$HOME %h")
    schedule.install(replace(job, command=command, frequency=0.25, environment=strange), True, False)
    units = [str(tmp_path / SERVICE), str(tmp_path / TIMER)]
    done = subprocess.run([systemd_analyze, "verify", "--man=no", *units], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_understands_the_calendar(job: Job, systemd_analyze: str) -> None:
    text = next(line for line in job.files(True, False)[TIMER].splitlines() if line.startswith("OnCalendar="))
    command = [systemd_analyze, "calendar", "--iterations=3", text.partition("=")[2]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    times = [line.split()[-2] for line in done.stdout.splitlines() if "elapse" in line or "Iter" in line]
    assert len(times) == 3 and len({time[-5:] for time in times}) == 1, done.stdout
