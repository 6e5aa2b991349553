"""Report the result of a push to the service behind ``pacha.ping``, and a scheduled one's to the system's log."""

from __future__ import annotations

import os
import signal
import syslog
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pacha.errors import LockedError, PachaError, Signalled

if TYPE_CHECKING:
    from pacha.host.context import Context

_CUT_OFF = "Nothing is lost: what was not sent goes out with the next push."


@contextmanager
def reported(context: Context, *, by_schedule: bool) -> Iterator[list[PachaError]]:
    """Report how the body ends: the exception that it raises, and the failures that it puts into the list.

    A push that did not start, as another one is at work, is not reported. A failing report does not change the exit
    code. Adds to Signalled how things stand.
    """
    failures: list[PachaError] = []
    try:
        yield failures
    except LockedError:
        raise
    except Signalled as ended:
        raise Signalled(ended.number, _CUT_OFF) from None
    except KeyboardInterrupt:
        raise Signalled(signal.SIGINT, _CUT_OFF) from None
    except Exception as error:
        _report(context, [error], by_schedule)
        raise
    _report(context, failures, by_schedule)


def _report(context: Context, failures: list[PachaError] | list[Exception], by_schedule: bool) -> None:
    # What systemd starts is in the journal already (systemd.exec(5), JOURNAL_STREAM).
    if by_schedule and failures and "JOURNAL_STREAM" not in os.environ:
        syslog.openlog("pacha", syslog.LOG_PID, syslog.LOG_CRON)
        for failure in failures:
            line = (
                failure.in_a_line if isinstance(failure, PachaError) else f"{type(failure).__name__}: {failure!r}"[:300]
            )
            syslog.syslog(syslog.LOG_ERR, line)
    if context.config.ping:
        from pacha.host import ping  # an HTTP client, which few configurations need

        if warning := ping.call(context.config.ping, failed=bool(failures)):
            click.echo(f"pacha: {warning}", err=True)
