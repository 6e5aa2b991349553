"""paramiko, imported without what Pacha does not need of it: the other modules here take it from this one."""

from __future__ import annotations

import sys

# Importing invoke takes 50 ms. paramiko runs the commands of "Match exec" with it (ssh_config(5)) and works without;
# where there is such a line, endpoint gives it back.
_is_new = "invoke" not in sys.modules
if _is_new:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # its import is refused

import paramiko  # noqa: E402
from paramiko.common import cMSG_CHANNEL_REQUEST  # noqa: E402

if _is_new:
    del sys.modules["invoke"]

__all__ = ["cMSG_CHANNEL_REQUEST", "paramiko"]
