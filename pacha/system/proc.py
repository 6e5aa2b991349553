"""Check what every command needs: /proc (proc(5)), by which it reaches open files, and a working directory."""

from __future__ import annotations

import os

from pacha.errors import PachaError


def require_proc() -> None:
    """Raise PachaError unless /proc shows this process: without it, files that exist look absent."""
    if not _is_mounted():
        raise PachaError(
            "Pacha cannot work without /proc.",
            "it is not mounted here, or shows the processes of another system",
            "Mount it, and run this again: mount -t proc proc /proc",
            code="proc-missing",
        )


def require_working_directory() -> None:
    """Raise PachaError where the working directory was removed: neither a relative path nor hg works there."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise PachaError(
            "The working directory is not there any more.",
            "somebody removed it since this shell entered it",
            "Enter another, and run this again: cd /",
            code="working-directory-missing",
        ) from None


def _is_mounted() -> bool:
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return os.path.samestat(os.stat(f"/proc/self/fd/{fd}"), os.fstat(fd))
    except OSError:
        return False
    finally:
        os.close(fd)
