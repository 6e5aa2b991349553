"""Whether this machine is a master, so that a command for masters fails on any other machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pacha.config.keys import STANDALONE
from pacha.errors import UsageError
from pacha.text import escape

if TYPE_CHECKING:
    from pacha.config.config import Config


def of_master(config: Config) -> Config:
    """Return ``config``. Raises UsageError on a machine that only pushes to others: one without the folder of hosts."""
    node = os.uname().nodename
    here = (STANDALONE, "localhost", "::1", node, node.partition(".")[0])
    is_here = any(host in here or host.startswith("127.") for host in config.hosts)
    if not config.hosts or is_here or os.path.isdir(config.hosts_path):
        return config
    master, folder = config.hosts[0], escape(config.hosts_path)
    raise UsageError(
        "This command belongs on the master, and this machine is a host.",
        f"it pushes to {master}, and has no folder {folder}",
        f"Run it on {master}; if this machine is to be a master, too: install -d -m 755 {folder}",
        code="not-on-master",
    )


def is_master_alone(config: Config) -> bool:
    """Whether this machine has the folder of hosts, and pushes to no master."""
    return not config.hosts and os.path.isdir(config.hosts_path)
