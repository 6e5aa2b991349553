"""Whether sshd has an address to listen on, which its own test does not check, and whether it answers there."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterable
from contextlib import suppress

from pacha.system.limited_output import read_output
from pacha.system.programs import environment
from pacha.text import enumerated, masked

_SECONDS = 30.0
_MOST = 1 << 20  #: bytes of output
#: Address and port in the output of ``sshd -T`` (sshd(8)).
_ADDRESS = re.compile(r"^listenaddress \[?([0-9A-Fa-f.:%\w]{1,100}?)\]?:(\d{1,5})(?: |$)", re.MULTILINE)
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (nothing is bound)
_GREETING = b"SSH-2.0-"  # RFC 4253, 4.2
_MOST_GREETED = 4  #: addresses
_PATIENCE = 2.0  #: seconds


def unheard(sshd: str) -> str:
    """Return why the program ``sshd`` could listen nowhere; "" if it could, or does not say."""
    addresses = [address for address, _ in places(sshd)]
    if not addresses or any(map(_is_here, addresses)):
        return ""
    words = enumerated([masked(address, 60) for address in addresses], 5)
    return f"none of the addresses that it listens at is here: {words}"


def places(sshd: str) -> list[tuple[str, int]]:
    """Return each address and port on which ``sshd`` would listen; none if it does not say (to a plain user)."""
    try:
        ended = read_output([sshd, "-T"], environment(), _SECONDS, _MOST)
    except OSError:
        return []
    pairs = [] if ended.status else _ADDRESS.findall(ended.stdout.decode("ascii", "replace"))
    return [(address, int(port)) for address, port in pairs]


def answers(at: Iterable[tuple[str, int]]) -> bool:
    """Whether an SSH server answers at one of the first few of these addresses and ports of this machine."""
    for address, port in list(at)[:_MOST_GREETED]:
        place = (_EVERYWHERE.get(address, address), port)
        with suppress(OSError, OverflowError), socket.create_connection(place, timeout=_PATIENCE) as line:
            if line.recv(len(_GREETING), socket.MSG_WAITALL) == _GREETING:
                return True
    return False


def _is_here(address: str) -> bool:
    """Whether a program can listen on ``address``; True where that cannot be found out."""
    try:
        family, kind, number, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.bind(place)
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True
