"""The addresses and network cards in the configuration of servers and of the kernel.

The files have many formats. So a reader takes each IP address in a statement that begins with a word such as
``listen``, and each card in a line that names cards.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from pacha.machine.references import Named, Reference, lines

_LISTENING = re.compile(
    r"(?:^|[{;]\s*)(?:listen(?:-address|-on(?:-v6)?|_addresses)?|bind(?:-address|address)?|inet_interfaces|real_interface|host)"
    r"(?:\s*[=:]\s*|\s+)(?=(.{1,500}))",
    re.IGNORECASE,
)
_WORD = re.compile(r"[\s,;'\"{}=]+")
_PORT = re.compile(r"\[?(.*?)\]?(?::\d{1,5})?")
_CARDS = re.compile(r"(?:interfaces?|INTERFACES(?:v[46])?|bind-interface)(?:\s*=\s*|\s+)(.{1,500})")
_SETTING = re.compile(r"net[./]ipv[46][./](?:conf|neigh)[./]([\w-]{1,15})[./]")
_NO_CARD = frozenset({"all", "default", "lo"})


def listens(path: str, text: str) -> Iterator[Reference]:
    """Yield the addresses and the cards on which a server listens: ``listen 192.0.2.1:80``, ``interface=eth1``."""
    for line in lines(text):
        for match in _LISTENING.finditer(line):
            statement = match[1].partition("}" if "{" in match[1] else ";")[0]
            addresses = filter(None, map(_address, _WORD.split(statement)))
            yield from (Reference(Named.ADDRESS, address) for address in addresses)
        if cards := _CARDS.match(line):
            yield from (Reference(Named.INTERFACE, word) for word in _WORD.split(cards[1]) if word)


def settings(path: str, text: str) -> Iterator[Reference]:
    """Yield the cards in the kernel's settings (sysctl.d(5))."""
    for line in lines(text):
        yield from (Reference(Named.INTERFACE, name) for name in _SETTING.findall(line) if name not in _NO_CARD)


def _address(word: str) -> str:
    """Return the IP address in ``word``, which may have a port; "" for none."""
    for candidate in (word.strip("[]"), match[1] if (match := _PORT.fullmatch(word)) else ""):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return ""
