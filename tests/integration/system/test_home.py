"""Whose home counts where the process has no account."""

from __future__ import annotations

import os

import pytest

from pacha.system.home import own_home, ssh_dir


@pytest.mark.usefixtures("as_root")
def test_a_uid_without_an_account_has_a_home_too() -> None:
    """As in a container that runs as any user: Python's own functions raise KeyError and RuntimeError there."""
    child = os.fork()
    if not child:
        os.setuid(54_321)
        for name in ("HOME", "PACHA_SSH"):
            os.environ.pop(name, None)
        os._exit(0 if (own_home({}), own_home({"HOME": "/srv"}), ssh_dir()) == ("/", "/srv", "/.ssh") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
