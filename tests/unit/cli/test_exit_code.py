"""The flags of the original manual: each is its command, and the story goes with them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pacha.cli.app import spelt_as_command

MAIN = "import sys; from pacha.__main__ import main; main(sys.argv[1:])"


@pytest.mark.parametrize(
    ("flags", "command"),
    [
        ("--watch /opt/foo", "watch /opt/foo"), ("--watch=/opt/foo", "watch /opt/foo"),
        ("--watch-single /opt/foo/app", "watch-single /opt/foo/app"), ("--add-host bar", "add-host bar"),
        ("--add-config pacha.conf", "add-config pacha.conf"), ("--config-values", "config-values"),
        ("--restore-db bar", "restore-db bar"), ("--rebuild bar", "rebuild bar"), ("--rebuild=bar", "rebuild bar"),
        ("--rebuild bar --directory foo", "rebuild bar --directory foo"),
        ("--rebuild bar --directory=foo --yes", "rebuild bar --directory=foo --yes"),
        ("--config x -q --rebuild bar", "--config x -q rebuild bar"), ("--config=x --push", "--config=x push"),
        ("--config watch --watch /x", "--config watch watch /x"), ("rebuild bar --watch", "rebuild bar --watch"),
        ("--log --json", "log --json"), ("--version", "--version"), ("--help", "--help"),
    ],
)  # fmt: skip
def test_a_flag_is_its_command(flags: str, command: str) -> None:
    assert spelt_as_command(flags.split()) == command.split()


@pytest.mark.slow
def test_the_classic_story_in_flags(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (tmp_path / "pacha.conf").write_text(
        f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}/hosts\npacha.hostname = bar\n"
    )
    for name in ("foo", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    (tmp_path / "single").write_text("single\n")

    def pacha(*arguments: str | Path) -> str:
        environment = {**os.environ, "PACHA_STATE": str(state)}
        done = subprocess.run([sys.executable, "-c", MAIN, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    pacha("--add-config", tmp_path / "pacha.conf")
    pacha("--add-host", "bar")
    pacha("--watch", tmp_path / "foo", tmp_path / "other")
    pacha("--watch-single", tmp_path / "single")
    assert f"# watched (file): {tmp_path}/single" in pacha("--config-values")
    pacha("--push")
    for name in ("foo", "other"):
        shutil.rmtree(tmp_path / name)
    pacha("--rebuild", "bar", "--directory", "foo", "--yes")
    assert (tmp_path / "foo/file").read_text() == "foo\n" and not (tmp_path / "other").exists()
    pacha("--rebuild", "bar", "--yes")
    assert (tmp_path / "other/file").read_text() == "other\n"
    (state / "pacha.db").unlink()
    shutil.rmtree(state / "repos")
    pacha("--restore-db", "bar")
    assert "nothing changed" in pacha("--push")


def test_a_pipe_that_does_not_wait_is_not_a_limit_on_processes() -> None:
    """Whoever reads it may have set O_NONBLOCK, for both sides (fcntl(2))."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    argv = [sys.executable, "-c", MAIN, "--help"]
    done = subprocess.run(argv, env=environment, stdout=write, stderr=subprocess.PIPE, text=True)
    for fd in (read, write):
        os.close(fd)
    assert done.returncode == 1 and "The system does not let Pacha go on." in done.stderr
    assert "threads" not in done.stderr


@pytest.mark.slow
def test_a_limit_of_memory_is_no_fault_of_pacha(tmp_path: Path) -> None:
    """The file is read in larger pieces than the process may have, once all is imported."""
    (tmp_path / "w").mkdir()
    (tmp_path / "w/large").write_bytes(os.urandom(48 << 20))
    (tmp_path / "pacha.conf").write_text(
        f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}/hosts\npacha.hostname = bar\n"
    )
    script = f"""import os, resource
from pacha.store import hg
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (48 << 20),) * 2)
{MAIN}"""
    environment = {**os.environ, "PACHA_CONFIG": f"{tmp_path}/pacha.conf"}
    for words, code in (["watch", f"{tmp_path}/w"], 0), (["push"], 1):
        done = subprocess.run([sys.executable, "-c", script, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
    assert not any(words in done.stderr for words in ("fault in Pacha", "Traceback")), done.stderr


@pytest.mark.parametrize("command", ["push", "watch x", "log ./x", "status", "rebuild bar --target x"])
def test_nothing_is_done_in_a_folder_that_was_removed(command: str, tmp_path: Path) -> None:
    script = f"import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); {MAIN}"
    argv = [sys.executable, "-c", script, *command.split()]
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "PACHA_STATE": str(tmp_path / "state")}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("pacha: The working directory is not there any more.")
