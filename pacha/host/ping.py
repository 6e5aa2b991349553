"""Call ``pacha.ping``, so that a monitoring service learns that a push ran and how it ended."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

from pacha.text import one_line, printable

_SECONDS = 10.0


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects to http and https only, never to a file or an ftp server."""

    def redirect_request(
        self, request: urllib.request.Request, stream: IO[bytes], code: int, why: str, headers: Any, url: str
    ) -> urllib.request.Request | None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise urllib.error.URLError("it redirects to what is not a web address")
        return super().redirect_request(request, stream, code, why, headers, url)


def call(url: str, *, failed: bool) -> str:
    """Call ``url``; with ``failed`` append ``/fail`` to its path, as healthchecks.io has it.

    Takes ten seconds at most. Returns what went wrong (one line, safe to print), "" for nothing.
    """
    problem: list[str] = ["no answer in time"]

    def ask() -> None:
        address = url
        if failed:
            parts = urlsplit(url)
            address = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/fail"))
        problem[0] = _ask(address)

    caller = threading.Thread(target=ask, daemon=True)  # looking up a name has no time limit
    try:
        caller.start()
        caller.join(_SECONDS)
    except RuntimeError as error:  # no thread is left
        problem[0] = one_line(str(error))
    return f"pacha.ping could not be called: {problem[0]}" if problem[0] else ""


def _ask(url: str) -> str:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _Redirects,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    request = urllib.request.Request(url, headers={"User-Agent": "pacha"})  # noqa: S310 (http or https: settings)
    try:
        opener.open(request, timeout=_SECONDS).close()
    except (OSError, HTTPException, ValueError) as error:
        return printable(str(getattr(error, "reason", "") or error))[:200] or type(error).__name__
    return ""
