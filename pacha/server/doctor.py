"""Check that all is well on a master: its folder of hosts, who can log in, who is late. Changes nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress

from pacha.errors import PachaError
from pacha.host.doctor_check import Check, look, room, versions
from pacha.machine import listening
from pacha.server import authorized_keys, hosts
from pacha.text import enumerated, escape

_SERVERS = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/sbin/dropbear")
_MOST_NAMED = 5
_PORT = 22  #: where an SSH server listens that does not tell


def inspect(hosts_path: bytes) -> Iterator[Check]:
    """Yield each check of this machine as a master. Raises nothing itself."""
    yield from versions()
    yield Check(about="role", result="a master: pacha.host is not set, so this machine does not push")
    yield from _server()
    yield from _folder(hosts_path)
    try:
        statuses = hosts.hosts(hosts_path)
    except PachaError as error:
        yield look("hosts", error.in_a_line, error.hint)
        return
    yield from _hosts(statuses)
    yield from _accounts(hosts_path, [status.host for status in statuses])


def _server() -> Iterator[Check]:
    """Whether there is an SSH server, and answers: without one no host comes in."""
    found = next((path for path in _SERVERS if os.path.exists(path)), None)
    if found is None:
        yield look("programs", "there is no SSH server", "Install one (Debian: apt-get install openssh-server)")
        return
    yield Check(about="programs", result=found)
    places = listening.places(found) if found.endswith("sshd") else []
    ports = enumerated(sorted({str(port) for _, port in places or [("", _PORT)]}), _MOST_NAMED)
    if listening.answers(places or [("127.0.0.1", _PORT), ("::1", _PORT)]):
        yield Check(about="SSH server", result=f"it answers at port {ports}")
    else:
        cure = "Start it (Debian: systemctl enable --now ssh); with another one, see that it runs."
        yield look("SSH server", f"none answers at port {ports}, so that no host can come in", cure)


def _folder(hosts_path: bytes) -> Iterator[Check]:
    name = escape(hosts_path)
    try:
        status = os.stat(hosts_path)
        free = shutil.disk_usage(hosts_path).free
    except OSError as error:
        yield look("hosts folder", f"{name}: {error.strerror}", "Let a host in: pacha add-host HOST --key FILE")
        return
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield look("hosts folder", f"others than root may write to {name}", f"chown root {name} && chmod 755 {name}")
    elif not status.st_mode & stat.S_IXOTH:
        yield look("hosts folder", f"the accounts of the hosts cannot enter {name}", f"chmod 755 {name}")
    else:
        yield Check(about="hosts folder", result=name)
    yield room(name, free, "Make room there.")


def _hosts(statuses: tuple[hosts.HostStatus, ...]) -> Iterator[Check]:
    odd = [status.host for status in statuses if not status.fine]
    if not statuses:
        yield look("hosts", "none yet", "Let one in: pacha add-host HOST --key FILE --install ACCOUNT")
    elif odd:
        count = f"{len(odd)} of {len(statuses)}"
        yield look("hosts", f"{count} need a look: {enumerated(odd, _MOST_NAMED)}", "See why: pacha hosts")
    else:
        yield Check(about="hosts", result=f"{len(statuses)}, each has pushed in time")


def _accounts(hosts_path: bytes, names: list[str]) -> Iterator[Check]:
    """Whether the owner of each host's folder can log in, and run this Pacha."""
    numbers = set[int]()
    for name in names:
        with suppress(OSError):  # removed meanwhile
            numbers.add(os.lstat(os.path.join(hosts_path, os.fsencode(name))).st_uid)
    numbers.discard(0)
    for number in sorted(numbers):
        try:
            account = pwd.getpwuid(number)
        except KeyError:
            yield look("accounts", f"user {number} has a host's folder, and no account", "Make it: useradd")
            continue
        if os.geteuid() == 0 and not authorized_keys.can_run(account):
            cure = "Install Pacha where every account can run it, not below /root, and run add-host --key again"
            yield look("accounts", f"{escape(account.pw_name)} cannot run this Pacha", cure)
    if names and not numbers:
        cure = f"Give them to an account of the hosts: chown -R ACCOUNT: {escape(hosts_path)}/HOST"
        yield look("accounts", "each host's folder is root's, so that no other account can push", cure)
