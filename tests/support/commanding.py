"""The commands of pacha, run in this process on a standalone host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pacha.cli.exit_code import run_command
from pacha.store import hg
from tests.support.standalone import Standalone


def run_captured(capture: pytest.CaptureFixture[bytes], words: Sequence[str | Path], code: int) -> tuple[str, str]:
    """Run ``pacha`` with ``words``, which must end with ``code``; returns both its outputs."""
    capture.readouterr()
    ended = run_command([str(word) for word in words])
    out, err = (text.decode() for text in capture.readouterr())
    assert ended == code, f"exit code {ended}, not {code}: {out}{err}"
    return out, err


@dataclass(frozen=True)
class Shell:
    """The host ``bar``, whose configuration and state the commands find."""

    bar: Standalone
    capture: pytest.CaptureFixture[bytes]

    def run(self, *words: str | Path, code: int = 0) -> str:
        """Run ``pacha`` with ``words``, which must end with ``code``; returns what it prints on standard output."""
        return self.both(*words, code=code)[0]

    def both(self, *words: str | Path, code: int = 0) -> tuple[str, str]:
        """The same, with standard error."""
        return run_captured(self.capture, words, code)


@pytest.fixture(name="mercurial", scope="session")
def loaded_mercurial() -> None:
    """Import it before a test takes the standard streams, of which it keeps those that it finds."""
    hg.load()


@pytest.fixture(name="shell")
def shell_of_bar(
    mercurial: None, bar: Standalone, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Shell:
    """Where ``bar`` has a configuration file."""
    config = bar.top / "pacha.conf"
    config.write_text(f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {bar.top}/hosts\npacha.hostname = bar\n")
    monkeypatch.setenv("PACHA_CONFIG", str(config))
    monkeypatch.setenv("PACHA_STATE", str(bar.top / "state"))
    monkeypatch.setenv("PACHA_PAGER", "cat")
    monkeypatch.chdir(bar.top)
    return Shell(bar, capfdbinary)
