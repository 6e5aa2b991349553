"""The programs that test their own configuration: a service whose test fails is not restarted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from pacha.files.paths import is_within_any
from pacha.machine import listening
from pacha.system.executable import find_program


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """A program (``argv``) that tests the files at and below ``sources``, which the ``units`` read.

    ``needs``: unless one of these folders exists, the program fails even if the files are valid; its service makes the
    first. ``also``: for the path of the program, returns a fault that the program itself does not find, "" for none.
    """

    sources: tuple[bytes, ...]
    argv: tuple[str, ...]
    units: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()
    also: Callable[[str], str] = lambda path: ""


def _check(sources: str, argv: str, units: str = "", needs: str = "") -> ConfigCheck:
    paths = tuple(path.encode() for path in sources.split())
    names = frozenset(f"{unit}.service" for unit in units.split())
    return ConfigCheck(paths, tuple(argv.split()), names, tuple(needs.split()))


_SSHD = _check("/etc/ssh", "sshd -t", "ssh sshd", needs="/run/sshd /usr/share/empty.sshd /var/empty")
CHECKS: tuple[ConfigCheck, ...] = (
    replace(_SSHD, also=listening.unheard),
    _check("/etc/sudoers /etc/sudoers.d", "visudo -c -q"),
    _check("/etc/nginx", "nginx -t -q", "nginx"),
    _check("/etc/apache2", "apache2ctl -t", "apache2"),
    _check("/etc/httpd", "httpd -t", "httpd"),
    _check("/etc/haproxy", "haproxy -c -q -f /etc/haproxy/haproxy.cfg", "haproxy"),
    _check("/etc/bind", "named-checkconf", "named bind9"),
    _check("/etc/postfix", "postfix check", "postfix postfix@-"),
    _check("/etc/dovecot", "doveconf -n", "dovecot"),
    _check("/etc/dnsmasq.conf /etc/dnsmasq.d", "dnsmasq --test", "dnsmasq"),
    _check("/etc/samba", "testparm -s", "smbd nmbd samba"),
    _check("/etc/squid", "squid -k parse", "squid"),
    _check("/etc/unbound", "unbound-checkconf", "unbound"),
    _check("/etc/rsyslog.conf /etc/rsyslog.d", "rsyslogd -N1", "rsyslog"),
    _check("/etc/nftables.conf /etc/nftables.d", "nft -c -f /etc/nftables.conf", "nftables"),
)


def concerned(changed: Iterable[bytes]) -> Iterator[ConfigCheck]:
    """Yield the checks whose sources are among the ``changed`` paths and whose program is installed."""
    paths = tuple(changed)
    for check in CHECKS:
        if any(is_within_any(path, check.sources) for path in paths) and find_program(check.argv[0]):
            yield check
