"""Programs that look like apt's and dpkg's, in a folder of the test's own: they tell what they were asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from pacha.machine.packages import program


class FakeApt:
    """The folder with the programs; ``asked`` is what they were called with."""

    NAMES: ClassVar[Sequence[str]] = (
        "apt-get", "apt-cache", "apt-mark", "dpkg", "dpkg-query", "dpkg-statoverride", "dpkg-divert",
        "update-alternatives",
    )  # fmt: skip

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder.mkdir()
        self.folder = folder
        monkeypatch.setattr(program, "PATH", f"{folder}:/usr/bin:/bin")
        for name in self.NAMES:
            self.program(name)

    def program(self, name: str, text: str = "") -> None:
        """Let the program ``name`` do what the shell's ``text`` says."""
        place = self.folder / name
        place.unlink(missing_ok=True)
        place.write_text(f'#!/bin/sh\nprintf "%s %s\\n" ${{0##*/}} "$*" >>{self.folder}/asked\n{text}\n')
        place.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """The command lines so far, without the options of apt that say where its files are."""
        return [" ".join(_without_settings(line.split(" "))) for line in self.lines()]

    def lines(self) -> list[str]:
        """The command lines so far."""
        place = self.folder / "asked"
        return place.read_text().splitlines() if place.exists() else []


def _without_settings(words: list[str]) -> list[str]:
    return [word for word, before in zip(words, ["", *words], strict=False) if "-o" not in (word, before)]


@pytest.fixture(name="fake")
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    """The programs, for who is root and on amd64."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake = FakeApt(tmp_path / "bin", monkeypatch)
    fake.program("dpkg", "echo amd64")
    return fake
