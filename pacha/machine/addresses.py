"""The addresses and cards that a server listens at, as its configuration names them.

In any of these languages: the IP addresses in each statement that begins with a word for listening, and the cards in
each line that names cards.
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
    """The addresses and the cards of servers: ``listen 192.0.2.1:80``, ``interface=eth1``."""
    for line in lines(text):
        for match in _LISTENING.finditer(line):
            statement = match[1].partition("}" if "{" in match[1] else ";")[0]
            addresses = filter(None, map(_address, _WORD.split(statement)))
            yield from (Reference(Named.ADDRESS, address) for address in addresses)
        if cards := _CARDS.match(line):
            yield from (Reference(Named.INTERFACE, word) for word in _WORD.split(cards[1]) if word)


def settings(path: str, text: str) -> Iterator[Reference]:
    """The cards of the kernel's settings (sysctl.d(5))."""
    for line in lines(text):
        yield from (Reference(Named.INTERFACE, name) for name in _SETTING.findall(line) if name not in _NO_CARD)


def _address(word: str) -> str:
    """The IP address in ``word``, with a port or without one; "" for none."""
    for candidate in (word.strip("[]"), match[1] if (match := _PORT.fullmatch(word)) else ""):
        try:
            return str(ipaddress.ip_address(candidate))
        except ValueError:
            continue
    return ""
