"""Set SELinux labels by this machine's policy, not by that of the machine that files come from."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from pacha.files.paths import ancestors
from pacha.system.executable import find_program

_MOUNT = "/sys/fs/selinux"  #: exists if a policy is loaded (selinux(8))

_AT_ONCE = 400  #: paths on one command line, for execve(2) has a limit even for the longest


def is_active() -> bool:
    """Whether a policy is loaded here, and the program that sets its labels is installed."""
    return os.path.exists(f"{_MOUNT}/enforce") and bool(find_program("restorecon"))


def relabel(changed: Collection[bytes]) -> Iterator[tuple[str, ...]]:
    """Yield commands (argv of restorecon(8)) that set the labels of the ``changed`` paths and of all below them."""
    paths = set(changed)
    tops = sorted(path for path in paths if not any(above in paths for above in ancestors(path)))
    for start in range(0, len(tops), _AT_ONCE):
        yield ("restorecon", "-R", "-i", "--", *map(os.fsdecode, tops[start : start + _AT_ONCE]))
