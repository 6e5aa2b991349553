"""Work that root does as another user, in a process of its own: what that user's files lead to is then his own."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Callable
from typing import Any

from pacha.errors import PachaError


def run(user: pwd.struct_passwd, work: Callable[[], Any]) -> Any:
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
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _become_and_do(user, work, writer)
    os.close(writer)
    with open(reader, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return _told(said, user.pw_name)


def _become_and_do(user: pwd.struct_passwd, work: Callable[[], Any], writer: int) -> None:
    """In the new process: become the user for good, do the work, write what came of it, and end."""
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
    os.write(writer, json.dumps(answer).encode("ascii"))
    os._exit(0)


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
