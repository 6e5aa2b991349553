"""Run work in a child process: as another user, or within limits.

If root does a user's work as that user, the user's symbolic links lead only to what the user may reach anyway.
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

from pacha.errors import DamagedError, PachaError, UsageError, no_more_processes
from pacha.system import background


def run_as(user: pwd.struct_passwd, work: Callable[[], Any]) -> Any:
    """Run ``work`` as ``user``, with only that user's groups, and return its value, which must be JSON.

    A process that already runs as ``user`` needs no child. Raises the PachaError that ``work`` raises, and PachaError
    where this process belongs to neither root nor ``user``, or the child ended early.
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
    reply, _ = run_in_child(lambda: _become_and_do(user, work))
    return _decode(reply, user.pw_name)


def run_in_child(work: Callable[[], bytes], *, seconds: float | None = None, most: int = -1) -> tuple[bytes, int]:
    """Run ``work`` in a child process. Return at most ``most`` bytes of its result (-1: all) and its os.wait() status.

    With ``seconds``, the child is killed after that time, or once ``most`` bytes are read; without, it ends by itself.
    Raises PachaError where the system starts no more processes or threads.
    """
    sys.stdout.flush()
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except BlockingIOError:  # fork(2): EAGAIN
        os.close(reader)
        os.close(writer)
        raise no_more_processes() from None
    if child == 0:
        _write_and_end(work, reader, writer)
    os.close(writer)
    limit = None if seconds is None else threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    try:
        if limit:
            background.begin(limit)
        with open(reader, "rb") as stream:
            output = stream.read(most)
    except BaseException:  # this process ends now and does not wait for the child
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        if limit and limit.ident:  # the output is complete, or long enough
            limit.cancel()
            limit.join()
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return output, status


def run_alone(work: Callable[[], object]) -> None:
    """Run ``work`` in a detached process: in a session of its own, without a terminal, not a child of this process.

    Its standard streams are /dev/null, so that whoever reads those of this process sees their end when it ends. Raises
    PachaError where the system starts no more processes.
    """
    try:
        child = os.fork()
    except BlockingIOError:  # fork(2): EAGAIN
        raise no_more_processes() from None
    if child == 0:
        _detach_and_end(work)
    os.waitpid(child, 0)


def _detach_and_end(work: Callable[[], object]) -> NoReturn:
    """Run ``work`` in a child of this new process, and end at once, so that init becomes the child's parent."""
    try:
        os.setsid()
        if os.fork() == 0:
            null = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(null, number)
            work()
    finally:
        os._exit(0)


def _write_and_end(work: Callable[[], bytes], reader: int, writer: int) -> NoReturn:
    """Run ``work`` in this new process, which must never return into the parent's clean-up."""
    try:
        os.close(reader)
        output = work()
        with open(writer, "wb") as stream:
            stream.write(output)
    finally:
        os._exit(0)


def _become_and_do(user: pwd.struct_passwd, work: Callable[[], Any]) -> bytes:
    """Become ``user`` for good, run ``work``, and return its value or its error as JSON."""
    try:
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        answer: dict[str, Any] = {"value": work()}
    except PachaError as error:
        answer = {"error": [error.message, error.why, error.hint, error.code, int(error.exit_code)]}
    except OSError as error:
        why = error.strerror or str(error)
        answer = {"error": ["The system refused this.", why, "", "account-system-refused", 1]}
    except BaseException as fault:  # none of the parent's handlers may run here
        answer = {"error": ["This failed.", type(fault).__name__, "", "account-work-failed", 1]}
    return json.dumps(answer).encode("ascii")


def _decode(reply: bytes, name: str) -> Any:
    try:
        answer = json.loads(reply)
    except ValueError:
        raise PachaError(
            f"The work as {name} was not done.",
            "its process ended early",
            "Run this again.",
            code="work-as-account-ended",
        ) from None
    if "error" in answer:
        message, why, hint, code, exit_code = answer["error"]
        kinds: dict[int, type[PachaError]] = {int(kind.exit_code): kind for kind in (UsageError, DamagedError)}
        raise kinds.get(exit_code, PachaError)(message, why, hint, code=code)
    return answer["value"]
