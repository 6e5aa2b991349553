"""The labels of SELinux: those of this machine's policy, not those of the policy of another machine."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pacha.files.paths import parent
from pacha.machine.generators import find_program

_MOUNT = "/sys/fs/selinux"  #: is there if a policy is loaded (selinux(8))


def is_active() -> bool:
    """Whether a policy is in force here, and what sets its labels is installed."""
    return os.path.exists(f"{_MOUNT}/enforce") and bool(find_program("restorecon"))


def relabel(changed: Iterable[bytes]) -> tuple[str, ...]:
    """The program (argv, restorecon(8)) that sets the labels of the ``changed`` paths: of the folders they lie in."""
    folders = {parent(path) for path in changed}
    tops = sorted(folder for folder in folders if not any(folder.startswith(other + b"/") for other in folders))
    return ("restorecon", "-R", "-i", "--", *map(os.fsdecode, tops))
