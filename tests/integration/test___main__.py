"""The process: closed or full streams, signals that are ignored, an end at once; a disk that is full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = "import sys; from pacha.__main__ import main; main(sys.argv[1:])"


def pacha(place: Path, *arguments: str, redirect: str = "", setup: str = "") -> subprocess.CompletedProcess[str]:
    (place / "pacha.conf").write_text(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {place}/hosts\n")
    environment = {**os.environ, "PACHA_STATE": str(place / "state"), "PACHA_CONFIG": str(place / "pacha.conf")}
    command = f'{setup} exec "$@" {redirect}'
    return subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-c", MAIN, *arguments],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("redirect", [">&-", "<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, redirect: str) -> None:
    done = pacha(tmp_path, "config-values", redirect=redirect)
    assert (done.returncode, done.stderr) == (0, "")


def test_nobody_can_confirm_where_input_is_closed(tmp_path: Path) -> None:
    done = pacha(tmp_path, "rebuild", "bar", redirect="<&-")
    assert done.returncode == 1
    assert "nobody to confirm" in done.stderr


@pytest.mark.parametrize("argument", ["config-values", "--version", "--help"])
def test_output_that_is_full(tmp_path: Path, argument: str) -> None:
    done = pacha(tmp_path, argument, redirect=">/dev/full")
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "fault in Pacha" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("umask", ["0277", "0777"])
def test_a_umask_that_takes_from_the_owner_closes_nothing_to_us(tmp_path: Path, umask: str) -> None:
    (tmp_path / "tree").mkdir()
    done = pacha(tmp_path, "watch", str(tmp_path / "tree"), setup=f"umask {umask};")
    assert (done.returncode, done.stderr) == (0, "")
    made = [tmp_path / "state", *(tmp_path / "state").rglob("*")]
    assert len(made) > 2 and not [path for path in made if path.stat().st_mode & 0o677 != 0o600]


@pytest.mark.parametrize("blocks", [0, 8])
def test_a_limit_of_file_sizes_is_named(tmp_path: Path, blocks: int) -> None:
    """Without room for one byte even the report of a fault cannot be written."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/large").write_bytes(os.urandom(50_000))
    if blocks:
        assert pacha(tmp_path, "watch", str(tmp_path / "tree")).returncode == 0
    done = pacha(tmp_path, *(["push"] if blocks else ["watch", str(tmp_path / "tree")]), setup=f"ulimit -f {blocks};")
    assert done.returncode == 1 and "ulimit -f" in done.stderr
    assert "fault in Pacha" not in done.stderr and "Traceback" not in done.stderr


def test_nohup_stays_in_force() -> None:
    script = "import signal, pacha.__main__ as cli\n"
    script += "cli.run = lambda _: signal.raise_signal(signal.SIGHUP) or 0\ncli.main([])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    assert done.returncode == 0


def test_a_signal_that_comes_as_the_main_thread_begins_to_wait() -> None:
    """Nothing wakes that thread then; a signal that another thread takes leaves it as blind."""
    script = "import signal, threading, time\nfrom pacha.system import background\nimport pacha.__main__ as cli\n"
    script += "def take():\n    time.sleep(0.2)\n    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)\n"
    script += "    time.sleep(20)\n"
    script += "cli.run = lambda _: background.start(take).result() or 0\ncli.main([])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=10)
    assert done.returncode == 128 + signal.SIGTERM


def test_it_ends_at_once_whatever_its_threads_do(tmp_path: Path) -> None:
    """A thread that is inside cryptography when Python tidies up makes it abort."""
    script = "import atexit, time\nfrom pacha.system import background\nimport pacha.__main__ as cli\n"
    script += "background.start(time.sleep, 60)\natexit.register(print, 'tidied up')\ncli.main(['config-values'])"
    environment = {**os.environ, "PACHA_STATE": str(tmp_path), "PACHA_CONFIG": str(tmp_path / "none")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 10 and done.stdout == ""


def test_ctrl_c_before_signals_are_heard_ends_it_without_a_word() -> None:
    early = "import signal; from pacha import __main__ as m; m._open_closed_streams = lambda: signal.raise_signal(2)"
    done = subprocess.run([sys.executable, "-c", f"{early}; m.main(['--help'])"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
