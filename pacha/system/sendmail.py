"""Send one mail with sendmail(1), the program that every mail system has (LSB; Postfix, Exim, msmtp, dma)."""

from __future__ import annotations

import os
import re
import tempfile
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from pacha.errors import PachaError, UsageError, refusal
from pacha.system import programs
from pacha.system.executable import find_program
from pacha.text import escape, one_line

_PLACES = "/usr/sbin:/usr/lib:/usr/local/sbin"
_SECONDS = 300.0
_LONGEST = 254  #: characters of an address (RFC 5321, 4.5.3.1.3)
#: An account of this machine or an address; nothing that sendmail reads as an option or a list (RFC 5322, 3.4.1).
_ADDRESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+=!#$%&'*/?^`{|}~-]*(@[A-Za-z0-9][A-Za-z0-9.-]*)?", re.ASCII)


def check_address(address: str) -> None:
    """Raise UsageError unless ``address`` is one mail address, or an account of this machine."""
    if not _ADDRESS.fullmatch(address) or len(address) > _LONGEST:
        raise UsageError(
            f"'{escape(address[:80])}' is not a mail address.",
            "it is one of the form name@example.com, or an account of this machine",
            "For several people, name an alias of the mail system (aliases(5)).",
            code="invalid-address",
        )


def send(address: str, subject: str, text: str, message_id: str) -> None:
    """Send a mail with this ``text`` to ``address``, in UTF-8. ``message_id`` is the part of the ID before the '@'.

    When this returns, the mail system has accepted the mail. Raises PachaError.
    """
    program = _program()
    try:
        with tempfile.TemporaryDirectory(prefix="pacha-mail-") as scratch, tempfile.TemporaryFile() as mail:
            # A file, not a pipe: if this process is killed meanwhile, the mail is still sent complete.
            mail.write(_mail(address, subject, text, message_id))
            mail.seek(0)
            ended = programs.run([program, "-i", address], programs.environment(), _SECONDS, Path(scratch), stdin=mail)
    except OSError as error:
        raise _not_accepted(program, f"its text cannot be put into a file: {refusal(error)}") from None
    if ended.failure:
        raise _not_accepted(program, f"{ended.failure}: {one_line(ended.output[-2000:]) or 'no output'}")


def _mail(address: str, subject: str, text: str, message_id: str) -> bytes:
    """Return the mail, without sender and date, which the mail system adds."""
    mail = EmailMessage(policy=default)
    mail["To"], mail["Subject"] = address, subject
    mail["Message-ID"] = f"<{message_id}@{os.uname().nodename or 'localhost'}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: it must not be answered automatically
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    return mail.as_bytes()


def _program() -> str:
    path = find_program("sendmail", path=":".join([*filter(None, os.environ.get("PATH", "").split(":")), _PLACES]))
    if not path:
        raise PachaError(
            "There is no sendmail on this machine.",
            "Pacha sends mail with it",
            "Install a mail system (postfix, exim4, dma, msmtp-mta), or write a page: --html DIR",
            code="no-sendmail",
        )
    return path


def _not_accepted(program: str, why: str) -> PachaError:
    return PachaError(
        f"{escape(program)} did not accept the mail.", why, "Look at the mail system's log.", code="mail-not-accepted"
    )
