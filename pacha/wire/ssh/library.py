"""Import paramiko without the parts that Pacha does not need. Other modules import it from here."""

from __future__ import annotations

import sys

from pacha.library import UnknownLibraryError, has_moved, require
from pacha.text import one_line

# Importing invoke takes 50 ms. Paramiko needs it only for "Match exec" of ssh_config(5); for such a line
# plain_settings puts it back.
_is_new = "invoke" not in sys.modules
if _is_new:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # its import is refused

import paramiko  # noqa: E402
from paramiko.common import cMSG_CHANNEL_REQUEST  # noqa: E402

if _is_new:
    del sys.modules["invoke"]

_PACKAGE = "pacha.wire.ssh"


def refuse_unknown(failure: Exception) -> None:
    """Raise UnknownLibraryError where ``failure`` comes from an unknown paramiko, not from the connection."""
    if has_moved(failure, _PACKAGE):
        raise UnknownLibraryError("paramiko", f"{type(failure).__name__}: {one_line(str(failure))}") from failure


for _name, *_parameters in (
    ("start_client", "timeout"),
    ("open_session", "timeout"),
    ("open_channel", "kind", "dest_addr", "src_addr", "timeout"),
    ("auth_publickey", "username", "key"),
    ("global_request", "kind", "wait"),
    ("_send_user_message", "data"),
    ("get_security_options",),
    ("get_remote_server_key",),
):
    require("paramiko", paramiko.Transport, _name, *_parameters)
for _name in ("_close_internal", "lock"):
    require("paramiko", paramiko.Channel(0), _name)
require("paramiko", paramiko.config, "invoke")  # what plain_settings puts back

__all__ = ["cMSG_CHANNEL_REQUEST", "paramiko", "refuse_unknown"]
