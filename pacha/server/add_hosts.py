"""add-host --from: let many hosts in at once. All of the list is checked before anything is made."""

from __future__ import annotations

import codecs
import os
import pwd
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pacha.errors import UsageError
from pacha.host.context import check_host
from pacha.server import add_host, authorized_keys, retired
from pacha.server.add_host import Allowed
from pacha.server.authorized_keys import PublicKey
from pacha.text import escape

MOST_BYTES = 64 << 20  #: of a list


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedHost:
    """A line of the list: its number from 1, the host, its public key (None: it needs none, as with a certificate)."""

    number: int
    host: str
    key: PublicKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedHosts:
    """The hosts that have a folder now; ``lines`` let their keys in, in the order of the list.

    ``installed`` counts what was done with those lines ('added', 'replaced', 'there'; empty: not requested); ``runs``:
    the account can run Pacha.
    """

    hosts: tuple[str, ...]
    lines: tuple[str, ...]
    installed: Mapping[str, int] = field(default_factory=dict)
    runs: bool = True


class HostListError(UsageError):
    """A list with faults: all of them, a line each, safe to print, in ``faults``; nothing was done."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(
            "The list of hosts has faults: nothing was done.",
            "one, named above" if len(faults) == 1 else f"{len(faults)} of them, named above",
            "Correct them, then run this again. A line is: HOST, then the public key.",
            code="host-list-faults",
        )
        self.faults = tuple(faults)


def add_hosts(
    hosts_path: bytes, text: bytes, user: str | None, install: str | None, allowed: Allowed, *, replace: bool = False
) -> AddedHosts:
    """Make a folder for each host of the list ``text`` and let its key in, as ``add_host`` does for one.

    A host that has its folder, and a key that is let in, stay as they are: so a second run goes on after one that was
    cut off. Raises HostListError, UsageError (before anything is made), PachaError.
    """
    owner = add_host.owner_of(user, install)
    listed, faults = read(text)
    faults += [fault for host in listed for fault in _faults_here(hosts_path, host, owner)]
    grants = [(add_host.grant_of(hosts_path, host.host, allowed), host.key) for host in listed if host.key is not None]
    lines = tuple(grant.line(key) for grant, key in grants)
    if install and owner:
        numbers = {host.host: host.number for host in listed}
        refused = authorized_keys.faults_of_all(owner, grants, replace=replace)
        faults += [f"line {numbers[name]}: {fault}" for name, fault in refused.items()]
    if faults:
        raise HostListError(faults)
    for host in listed:
        with add_host.folder_for(hosts_path, host.host, owner):
            pass
    installed = Counter(authorized_keys.install_all(owner, grants, replace=replace) if install and owner else ())
    runs = not installed or owner is None or authorized_keys.can_run(owner)
    return AddedHosts(hosts=tuple(host.host for host in listed), lines=lines, installed=installed, runs=runs)


def read(text: bytes) -> tuple[list[ListedHost], list[str]]:
    """The hosts of a list, and its faults. Empty lines, and those that begin with ``#``, count for nothing.

    Nor does the mark of UTF-8 at the beginning, which other systems' editors write.
    """
    if len(text) > MOST_BYTES:
        return [], [f"it is longer than {MOST_BYTES} bytes"]
    listed, faults = list[ListedHost](), list[str]()
    by_host, by_key = dict[str, int](), dict[str, int]()
    for number, line in enumerate(text.removeprefix(codecs.BOM_UTF8).splitlines(), 1):
        words = line.strip().split(None, 1)
        if not words or words[0].startswith(b"#"):
            continue
        try:
            host = check_host(os.fsdecode(words[0]))
            key = PublicKey.read(words[1]) if len(words) > 1 else None
        except UsageError as error:
            faults.append(f"line {number}: {error.in_a_line}")
            continue
        listed.append(ListedHost(number=number, host=host, key=key))
        for name, seen, what in ((host, by_host, "host"), (key.blob if key else "", by_key, "key")):
            if name and seen.setdefault(name, number) != number:
                faults.append(f"line {number}: its {what} is in line {seen[name]} as well")
    if not listed and not faults:
        faults.append("there is no host in it")
    return listed, faults


def _faults_here(hosts_path: bytes, listed: ListedHost, owner: pwd.struct_passwd | None) -> Iterator[str]:
    """Why the folder of a host cannot be made."""
    if retired.is_retired(hosts_path, listed.host):
        yield f"line {listed.number}: '{listed.host}' is retired (pacha retire --undo {listed.host})"
    path = os.path.join(hosts_path, os.fsencode(listed.host))
    try:
        status = os.lstat(path)
        others = owner is not None and status.st_uid != owner.pw_uid
        if os.path.islink(path) or not os.path.isdir(path):
            yield f"line {listed.number}: {escape(path)} is not a folder"
        elif others and os.listdir(path):
            yield f"line {listed.number}: {escape(path)} is in use by another account, user {status.st_uid}"
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"line {listed.number}: {escape(path)} cannot be read: {error.strerror}"
