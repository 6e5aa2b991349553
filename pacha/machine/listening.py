"""Whether sshd finds an address to listen at: its own test does not look, and its reload then ends it."""

from __future__ import annotations

import errno
import re
import socket

from pacha.system.limited_output import read_output
from pacha.system.programs import environment
from pacha.text import enumerated, masked

_SECONDS = 30.0
_MOST = 1 << 20  #: bytes of an answer
_ADDRESS = re.compile(r"^listenaddress \[?([0-9A-Fa-f.:%\w]{1,100}?)\]?:\d{1,5}(?: |$)", re.MULTILINE)  # sshd(8), -T


def unheard(sshd: str) -> str:
    """Why the program ``sshd`` would listen nowhere, "" if it would, or if it does not tell."""
    try:
        ended = read_output([sshd, "-T"], environment(), _SECONDS, _MOST)
    except OSError:
        return ""
    addresses = _ADDRESS.findall(ended.stdout.decode("ascii", "replace"))
    if ended.status or not addresses or any(map(_is_here, addresses)):
        return ""
    return f"none of the addresses that it listens at is here: {enumerated([masked(one, 60) for one in addresses], 5)}"


def _is_here(address: str) -> bool:
    """Whether something can listen at ``address``; True where that cannot be told."""
    try:
        family, kind, number, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.bind(place)
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True
