"""The files that come over the line: lines, or one bar for many at a terminal; as wide as that, coloured if wanted."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.ui import console
from pacha.ui import progress as bar
from pacha.ui.console import Console
from pacha.ui.progress import Progress, Style
from pacha.wire.scp import Received
from tests.support.terminal import Terminal

MAIN = "import sys; from pacha.__main__ import main; main(sys.argv[1:])"


def shown(style: Style, files: int, monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> tuple[list[str], str]:
    """The lines that were said, and what went to stderr, for so many files."""
    lines: list[str] = []
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(bar, "at_terminal", lambda: terminal)
    with Progress(style, lines.append) as progress:
        progress.expect(files)
        for number in range(files):
            progress.file(Received(b"d/file%d" % number, 1000, 0.01))
    return "\n".join(lines).splitlines(), stderr.getvalue()


def test_few_files_have_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, stderr = shown(Style.AUTO, 300, monkeypatch, terminal=True)
    assert len(lines) == 300 and lines[0].startswith("file0 ") and stderr == ""


def test_many_files_at_a_terminal_have_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, stderr = shown(Style.AUTO, 301, monkeypatch, terminal=True)
    assert lines == [] and "100%" in stderr and "/s" in stderr and stderr.count("\n") == 1
    assert "file0" not in stderr and len(stderr.split("\r")) < 300


def test_many_files_elsewhere_have_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, stderr = shown(Style.AUTO, 1000, monkeypatch, terminal=False)
    assert len(lines) == 1000 and stderr == ""


@pytest.mark.parametrize(
    ("style", "lines", "drawn"), [(Style.LINES, 400, False), (Style.BAR, 0, True), (Style.NONE, 0, False)]
)
def test_what_was_asked_for_is_shown(style: Style, lines: int, drawn: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said, stderr = shown(style, 400, monkeypatch, terminal=True)
    assert (len(said), bool(stderr)) == (lines, drawn)


def test_more_files_than_were_expected_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress(Style.BAR, print) as progress:
        progress.expect(2)
        for _ in range(5):
            progress.file(Received(b"a", 1, 0.0))


def test_a_line_is_as_wide_as_the_terminal() -> None:
    at_80, at_120 = (console.file_line(b"x" * 200, 1, 0.1, width) for width in (80, 120))
    assert len(at_120) - len(at_80) == 40 and len(at_80.rstrip()) <= 80
    assert console.file_line(b"x", 1, 0.1) == console.file_line(b"x", 1, 0.1, 80)
    assert console.file_line(b"x" * 200, 1, 0.1, 1)


def test_a_line_leaves_no_empty_one_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, _ = shown(Style.LINES, 1, monkeypatch, terminal=True)
    assert len(lines[0]) < 80 and lines[0].endswith("00:00")


def test_an_error_breaks_no_word_at_a_terminal_and_no_line_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    error = PachaError("It broke.", "", f"{'word ' * 20}pacha restore-db bar", code="it-broke")
    for stream, most in ((Terminal(), 80), (io.StringIO(), 130)):
        monkeypatch.setattr(sys, "stderr", stream)
        Console().error(error)
        lines = stream.getvalue().splitlines()
        assert len(lines) == (3 if most == 80 else 2) and max(map(len, lines)) <= most
        assert all(line.startswith("       word") or "pacha" in line for line in lines)


def at_terminal(place: Path, **more: str) -> str:
    """What 'pacha doctor' shows at a terminal."""
    environment = {**os.environ, "PACHA_STATE": str(place), "PACHA_CONFIG": str(place / "pacha.conf"), **more}
    (place / "pacha.conf").write_text(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {place}/hosts\n")
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", MAIN, "doctor"], stdout=theirs, stderr=theirs, env=environment) as run:
        os.close(theirs)
        text = b""
        while True:
            try:
                text += os.read(ours, 4096)
            except OSError:  # EIO: the other side is closed (pty(7))
                break
        run.wait(60)
    os.close(ours)
    return text.decode()


@pytest.mark.slow
def test_colour_is_for_a_terminal_that_wants_it(tmp_path: Path) -> None:
    assert "\x1b[" in at_terminal(tmp_path, NO_COLOR="", TERM="xterm")
    assert "\x1b[" not in at_terminal(tmp_path, NO_COLOR="1", TERM="xterm")
    assert "\x1b[" not in at_terminal(tmp_path, NO_COLOR="", TERM="dumb")


@pytest.mark.parametrize(
    "words", ["", "--help", "doctor", "doctor --json", "config-values", "status", "hosts", "completion zsh"]
)
def test_an_output_that_nobody_reads_makes_no_noise(tmp_path: Path, words: str) -> None:
    (tmp_path / "pacha.conf").write_text(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {tmp_path}\n")
    environment = {**os.environ, "PACHA_STATE": str(tmp_path / "state"), "PACHA_CONFIG": str(tmp_path / "pacha.conf")}
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", MAIN, *words.split()]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, text=True, timeout=60)
    os.close(writer)
    assert done.returncode == 128 + 13 and done.stderr == ""
