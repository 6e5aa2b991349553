"""The units of systemd that obey the files of a package, or are files themselves.

A unit belongs to a changed path if it is that file (or its drop-in), or if the package that the path, or the folder
of its own that it lies in, belongs to has it. What ``systemctl show`` answers is for programs (systemctl(1)).
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pacha.files.paths import ancestors, name, parent
from pacha.system.executable import find_program
from pacha.system.limited_output import read_output
from pacha.system.programs import environment
from pacha.text import one_line

OWN = b"/etc/systemd/system"
_OF_PACKAGES = (b"/lib/systemd/system", b"/usr/lib/systemd/system", b"/etc/systemd/system")
_KINDS = (".service", ".socket", ".timer", ".path")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,250}", re.ASCII)
_SECONDS = 30.0
_MOST = 16 << 20  #: bytes of an answer
_AT_ONCE = 200  #: paths of one question
#: Units whose restart may cut off the person at the terminal, or what the machine needs; a reboot starts them.
_LEFT = re.compile(
    r"(networking|network|NetworkManager.*|systemd-.*|ifup@.*|wpa_supplicant.*|dhcpcd.*|connman|iwd|netplan.*|dbus.*"
    r"|(console-|container-|serial-)?getty(@.*)?|user@.*|user-runtime-dir@.*|gdm\d?|lightdm|sddm|display-manager|console-setup"
    r"|keyboard-setup|nftables|iptables.*|ip6tables.*|netfilter-persistent|ufw|firewalld|shorewall.*|open-iscsi|iscsid?"
    r"|multipath.*|lvm2.*|mdadm.*|mdmonitor|cryptdisks.*|zfs-.*|drbd|autofs|nfs-.*|rpc.*|open-vm-tools|qemu-guest-agent"
    r"|cloud-.*|apparmor|selinux-.*|polkit|libvirtd|docker|containerd|rc-local|xdm|lxdm|slim|greetd|nodm"
    r"|wg-quick@.*|openvpn.*|strongswan.*|ipsec|tailscaled|zerotier-one|tinc.*|nebula.*|openvswitch.*|ovs.*|pppd?.*"
    r"|hostapd.*|frr|bird.*|keepalived|ifplugd|resolvconf.*)\.(service|socket|timer|path)|sshd?\.socket"
)
_RELOADED = re.compile(r"sshd?\.service")  #: a session may hang on it
#: What wants a unit that is enabled and does not start with the machine, but with its end or its sleep.
_NOT_AT_START = re.compile(
    r"(shutdown|reboot|poweroff|halt|kexec|final|umount|exit|sleep|suspend|hibernate|hybrid-sleep"
    r"|suspend-then-hibernate|emergency|rescue|systemd-[a-z-]+)\.(target|service)"
)
_STARTED_BY = ("WantedBy", "RequiredBy", "UpheldBy")
_PROPERTIES = ",".join(("Id", "ActiveState", "UnitFileState", "LoadState", *_STARTED_BY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of this machine: its name; whether it ``is_enabled`` (starts with the machine) and ``is_active``.

    ``is_own``: this process runs in it.
    """

    name: str
    is_enabled: bool
    is_active: bool
    is_own: bool = False

    @property
    def is_left(self) -> bool:
        """Whether it is named, and never restarted."""
        return self.is_own or bool(_LEFT.fullmatch(self.name))

    @property
    def action(self) -> str:
        """The word of systemctl(1) for it; "" where nothing is to be done."""
        if _RELOADED.fullmatch(self.name):
            return "reload-or-restart" if self.is_enabled and not self.is_active else "reload" if self.is_active else ""
        return "restart" if self.is_enabled or self.is_active else ""


def runs_systemd() -> bool:
    """Whether systemd runs this machine (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system") and bool(find_program("systemctl"))


def concerned(changed: Iterable[bytes], installed: Iterable[str] = (), known: Iterable[str] = ()) -> list[Unit]:
    """The units that obey what is among the ``changed`` paths, and those of the packages just ``installed``.

    ``known`` are others that do, which no package tells. Raises OSError (also TimeoutError).
    """
    paths = [path for path in changed if path.startswith(b"/etc/")]
    names = {*known, *_named(paths), *_of_packages(paths, installed)}
    return _shown(sorted(unit for unit in names if _UNIT.fullmatch(unit) and unit.endswith(_KINDS)))


def _named(paths: Iterable[bytes]) -> Iterator[str]:
    """The units whose own files, drop-ins or links are among ``paths``."""
    for path in paths:
        if path.startswith(OWN + b"/"):
            top = path[len(OWN) + 1 :].split(b"/")
            word = top[-1] if top[0].endswith((b".wants", b".requires")) else top[0].removesuffix(b".d")
            yield word.decode("utf-8", "replace")


def _of_packages(paths: Sequence[bytes], installed: Iterable[str]) -> Iterator[str]:
    """The units of the packages that ``paths``, or folders above them, belong to, and of those ``installed``."""
    if not find_program("dpkg-query"):
        return
    asked = set(paths) | {folder for path in paths for folder in _own_folders(path)}
    owners = _owners(sorted(asked))
    packages = {*installed, *(owner for path in paths if (owner := _owner(path, owners)))}
    for path in _files_of(sorted(packages)):
        if parent(path) in _OF_PACKAGES and b"@." not in path:
            yield name(path).decode("utf-8", "replace")


def _own_folders(path: bytes) -> list[bytes]:
    """The folders above ``path``, nearest first, without /etc itself."""
    return [folder for folder in ancestors(path) if folder.count(b"/") > 1]


def _owner(path: bytes, owners: Mapping[bytes, str]) -> str:
    return next((owners[place] for place in (path, *_own_folders(path)) if place in owners), "")


def _owners(paths: Sequence[bytes]) -> dict[bytes, str]:
    """The package of each path that exactly one has (dpkg-query(1) --search: ``package[:arch]: path``)."""
    owners: dict[bytes, str] = {}
    shared: Counter[bytes] = Counter()
    for line in _asked(["dpkg-query", "--search"], [_literal(path) for path in paths]):
        packages, _, path = line.partition(b": ")
        several = packages.split(b", ")
        shared[path] += len(several)
        owners[path] = several[0].decode("ascii", "replace")
    return {path: owner for path, owner in owners.items() if shared[path] == 1}


def _literal(path: bytes) -> bytes:
    """``path`` as a pattern that stands for itself alone (glob(7))."""
    return re.sub(rb"([\\*?\[])", rb"\\\1", path)


def _files_of(packages: Sequence[str]) -> Iterator[bytes]:
    yield from _asked(["dpkg-query", "--listfiles"], [package.encode("ascii", "replace") for package in packages])


def _asked(command: Sequence[str], words: Sequence[bytes]) -> Iterator[bytes]:
    """The lines that ``command`` answers about ``words``; what it does not know it passes over. Raises OSError."""
    for start in range(0, len(words), _AT_ONCE):
        some = [os.fsdecode(word) for word in words[start : start + _AT_ONCE]]
        ended = read_output([*command, "--", *some], {**environment(), "LC_ALL": "C"}, _SECONDS, _MOST)
        yield from ended.stdout.splitlines()


def _shown(names: Sequence[str]) -> list[Unit]:
    """The units ``names`` as systemd has them; for a template, its instances. Raises OSError."""
    units, asked = [], [unit.replace("@.", "@*.") for unit in names]  # a template is no unit, and ends the answer
    for start in range(0, len(asked), _AT_ONCE):
        command = ["systemctl", "show", f"--property={_PROPERTIES}", "--"]
        ended = read_output([*command, *asked[start : start + _AT_ONCE]], environment(), _SECONDS, _MOST)
        if ended.status:
            raise OSError(0, one_line(ended.complaint) or f"systemctl: {ended.status}")
        for block in ended.stdout.decode("utf-8", "replace").split("\n\n"):
            fields = dict(line.partition("=")[::2] for line in block.splitlines())
            if fields.get("LoadState") == "loaded":
                units.append(_unit(fields))
    return sorted({unit.name: unit for unit in units}.values(), key=lambda unit: unit.name)


def _unit(fields: Mapping[str, str]) -> Unit:
    by = [unit for key in _STARTED_BY for unit in fields.get(key, "").split()]
    is_enabled = fields.get("UnitFileState") in ("enabled", "enabled-runtime", "alias")
    unit = fields.get("Id", "")
    return Unit(
        name=unit,
        is_enabled=is_enabled and not (by and all(map(_NOT_AT_START.fullmatch, by))),
        is_active=fields.get("ActiveState") in ("active", "reloading", "activating"),
        is_own=unit in _own_units(),
    )


def _own_units() -> frozenset[str]:
    """The units that this process runs in (cgroups(7)): their restart would end it."""
    try:
        return frozenset(Path("/proc/self/cgroup").read_text(errors="replace").replace("\n", "/").split("/"))
    except OSError:
        return frozenset()
