"""A mail is handed to sendmail with an argument list, whole, and what it does not accept is an error."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pacha.errors import PachaError, UsageError
from pacha.system import sendmail
from tests.support.mailing import Mailbox


def test_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox.of(tmp_path / "box", monkeypatch)
    text = "Zeile mit ü\n.\n" + "x" * 5000 + "\nFrom here\n"
    sendmail.send("root@example.com", "two\tHosts", text, "some.id")
    (mail,) = box.mails()
    assert mail.get_content() == text and mail["To"] == "root@example.com"
    assert mail["Message-ID"].startswith("<some.id@") and mail.get_content_charset() == "utf-8"
    assert box.arguments == "-i root@example.com\n"


@pytest.mark.parametrize(
    "address", ["-oQ/tmp", "a b", "a,b@example.com", "", "a@b\nBcc: c@d", "a@-b", "x" * 300, "|cat", "\x1b@a", "ä@b.c"]
)
def test_no_address(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        sendmail.check_address(address)
    assert caught.value.code == "invalid-address"


@pytest.mark.parametrize("address", ["root", "ops+pacha@example.com", "o'neil@mail.example.com"])
def test_an_address(address: str) -> None:
    sendmail.check_address(address)


def test_not_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox.of(tmp_path / "box", monkeypatch, "echo 'queue \x1b[31mfull'; exit 75")
    with pytest.raises(PachaError) as caught:
        sendmail.send("root", "s", "t", "i")
    assert caught.value.code == "mail-not-accepted" and "exit code 75: queue \\x1b[31mfull" in caught.value.why
    assert box.mails() == []


def test_no_sendmail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sendmail, "_PLACES", str(tmp_path))
    with pytest.raises(PachaError) as caught:
        sendmail.send("root", "s", "t", "i")
    assert caught.value.code == "no-sendmail"


@pytest.mark.slow
def test_one_that_hangs_is_ended_with_what_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children, too: they would hand over a mail that was told to be not accepted, and comes again."""
    monkeypatch.setattr(sendmail, "_SECONDS", 0.5)
    box = Mailbox.of(tmp_path / "box", monkeypatch, f"(sleep 2; touch {tmp_path}/late) & wait")
    with pytest.raises(PachaError) as caught:
        sendmail.send("root", "s", "t", "i")
    assert caught.value.code == "mail-not-accepted" and "still at work" in caught.value.why
    time.sleep(2.2)
    assert not (tmp_path / "late").exists() and box.mails() == []


def test_one_that_leaves_a_daemon_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox.of(tmp_path / "box", monkeypatch, "(sleep 3) &")
    begun = time.monotonic()
    sendmail.send("root", "s", "t", "i")
    assert len(box.mails()) == 1 and time.monotonic() - begun < 2


def test_one_that_talks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mailbox.of(tmp_path / "box", monkeypatch, "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo full; exit 75")
    with pytest.raises(PachaError) as caught:
        sendmail.send("root", "s", "t", "i")
    assert len(caught.value.why) < 500
