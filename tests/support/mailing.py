"""A sendmail that keeps the mails it is given in a folder, one that refuses them, and one that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Mailbox:
    """Where the sendmail of a test puts its mails."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, monkeypatch: pytest.MonkeyPatch, body: str = "") -> Mailbox:
        """A sendmail in front of PATH that does ``body`` first; it accepts a mail by renaming it."""
        (folder / "bin").mkdir(parents=True)
        (folder / "mails").mkdir()
        program = folder / "bin/sendmail"
        program.write_text(
            f'#!/bin/sh\n{body}\necho "$@" > {folder}/arguments\ncat > {folder}/new.$$ && '
            f"mv {folder}/new.$$ {folder}/mails/$$-$(date +%s%N)\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}/bin:/usr/bin:/bin")
        return cls(folder)

    @property
    def arguments(self) -> str:
        """What sendmail was called with."""
        return (self.folder / "arguments").read_text()

    def mails(self) -> list[EmailMessage]:
        """The mails, in the order in which they came."""
        paths = sorted((self.folder / "mails").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        parsed = [message_from_bytes(path.read_bytes(), policy=default) for path in paths]
        return [mail for mail in parsed if isinstance(mail, EmailMessage)]
