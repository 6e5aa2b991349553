"""Work in a child process: as another user, or within limits.

What root does as another user can follow that user's links only to what is that user's own.
"""

from __future__ import annotations

import json
import os
import pwd
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from pacha.errors import PachaError


def run_as(user: pwd.struct_passwd, work: Callable[[], Any]) -> Any:
    """What ``work`` gives (a JSON value), done as ``user`` with the user's groups and no others.

    In this process when it is that user's already. Raises the PachaError that ``work`` raises, and PachaError where
    we are neither root nor that user, or the process ended otherwise.
    """
    if os.geteuid() == user.pw_uid:
        return work()
    if os.geteuid() != 0:
        raise PachaError(
            f"Only root and {user.pw_name} can do this.",
            "it concerns that account's files",
            "Run this as root.",
            code="other-account-needed",
        )
    said, _ = run_in_child(lambda: _become_and_do(user, work))
    return _told(said, user.pw_name)


def run_in_child(work: Callable[[], bytes], *, seconds: float | None = None, most: int = -1) -> tuple[bytes, int]:
    """What ``work`` gives in a process of its own: at most ``most`` bytes (-1: all); and how that process ended.

    The process is killed when ``most`` bytes have come, or ``seconds`` have passed; the status is that of os.wait().
    """
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _write_and_end(work, reader, writer)
    os.close(writer)
    limit = None if seconds is None else threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    if limit:
        limit.start()
    try:
        with open(reader, "rb") as stream:
            said = stream.read(most)
    except BaseException:  # this process is to end, and does not wait for that one
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        if limit:  # it has said all it has to say
            limit.cancel()
            limit.join()
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return said, status


def _write_and_end(work: Callable[[], bytes], reader: int, writer: int) -> NoReturn:
    """In the new process, where nothing of the parent's clean-up is to run."""
    try:
        os.close(reader)
        said = work()
        with open(writer, "wb") as stream:
            stream.write(said)
    finally:
        os._exit(0)


def _become_and_do(user: pwd.struct_passwd, work: Callable[[], Any]) -> bytes:
    """Become the user for good and do the work; returns what came of it, as JSON."""
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        answer: dict[str, Any] = {"value": work()}
    except PachaError as error:
        answer = {"error": [error.message, error.why, error.hint, error.code]}
    except OSError as error:
        answer = {
            "error": [
                "The system does not let this be done.",
                error.strerror or str(error),
                "",
                "account-system-refused",
            ]
        }
    except BaseException as fault:  # nothing of the parent's is to be run here
        answer = {"error": ["This could not be done.", type(fault).__name__, "", "account-work-failed"]}
    return json.dumps(answer).encode("ascii")


def _told(said: bytes, name: str) -> Any:
    try:
        answer = json.loads(said)
    except ValueError:
        raise PachaError(
            f"What was to be done as {name} was not done.",
            "its process was ended",
            "Run this again.",
            code="work-as-account-ended",
        ) from None
    if "error" in answer:
        message, why, hint, code = answer["error"]
        raise PachaError(message, why, hint, code=code)
    return answer["value"]
