"""The systemd units that changed files concern, so that they are restarted.

A unit's own file and its drop-ins concern it. A file of a package, or in a folder of the package, concerns the units of
that package. The output of ``systemctl show`` is meant for programs (systemctl(1)).
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
_MOST = 16 << 20  #: bytes of output
_AT_ONCE = 200  #: words on one command line
#: Units whose restart may disconnect whoever is logged in, or what the machine needs; a reboot restarts them.
_LEFT = re.compile(
    r"(networking|network|NetworkManager.*|systemd-.*|ifup@.*|wpa_supplicant.*|dhcpcd.*|connman|iwd|netplan.*|dbus.*"
    r"|(console-|container-|serial-)?getty(@.*)?|user@.*|user-runtime-dir@.*|gdm\d?|lightdm|sddm|display-manager|console-setup"
    r"|keyboard-setup|nftables|iptables.*|ip6tables.*|netfilter-persistent|ufw|firewalld|shorewall.*|open-iscsi|iscsid?"
    r"|multipath.*|lvm2.*|mdadm.*|mdmonitor|cryptdisks.*|zfs-.*|drbd|autofs|nfs-.*|rpc.*|open-vm-tools|qemu-guest-agent"
    r"|cloud-.*|apparmor|selinux-.*|polkit|libvirtd|docker|containerd|rc-local|xdm|lxdm|slim|greetd|nodm"
    r"|wg-quick@.*|openvpn.*|strongswan.*|ipsec|tailscaled|zerotier-one|tinc.*|nebula.*|openvswitch.*|ovs.*|pppd?.*"
    r"|hostapd.*|frr|bird.*|keepalived|ifplugd|resolvconf.*)\.(service|socket|timer|path)|sshd?\.socket"
)
_RELOADED = re.compile(r"sshd?\.service")  #: a restart may end a session
#: Units by which an enabled unit is started when the machine ends or sleeps, not when it starts.
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
        """Whether it is only named, and never restarted."""
        return self.is_own or bool(_LEFT.fullmatch(self.name))

    @property
    def action(self) -> str:
        """The systemctl(1) command for it; "" where there is nothing to do."""
        if _RELOADED.fullmatch(self.name):
            return "reload-or-restart" if self.is_enabled and not self.is_active else "reload" if self.is_active else ""
        return "restart" if self.is_enabled or self.is_active else ""


def runs_systemd() -> bool:
    """Whether systemd runs this machine (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system") and bool(find_program("systemctl"))


def concerned(changed: Iterable[bytes], installed: Iterable[str] = (), known: Iterable[str] = ()) -> list[Unit]:
    """Return the units that the ``changed`` paths concern, and those of the packages just ``installed``.

    ``known`` are the names of others that no package tells. Raises OSError (also TimeoutError).
    """
    paths = [path for path in changed if path.startswith(b"/etc/")]
    names = {*known, *_named(paths), *_of_packages(paths, installed)}
    return _shown(sorted(unit for unit in names if _UNIT.fullmatch(unit) and unit.endswith(_KINDS)))


def _named(paths: Iterable[bytes]) -> Iterator[str]:
    """Yield the units whose own files, drop-ins or links are among ``paths``."""
    for path in paths:
        if path.startswith(OWN + b"/"):
            top = path[len(OWN) + 1 :].split(b"/")
            word = top[-1] if top[0].endswith((b".wants", b".requires")) else top[0].removesuffix(b".d")
            yield word.decode("utf-8", "replace")


def _of_packages(paths: Sequence[bytes], installed: Iterable[str]) -> Iterator[str]:
    """Yield the units of the packages to which ``paths`` or folders above them belong, and of those ``installed``."""
    if not find_program("dpkg-query"):
        return
    asked = set(paths) | {folder for path in paths for folder in _own_folders(path)}
    owners = _owners(sorted(asked))
    packages = {*installed, *(owner for path in paths if (owner := _owner(path, owners)))}
    names = [package.encode("ascii", "replace") for package in sorted(packages)]
    for path in _asked(["dpkg-query", "--listfiles"], names):
        if parent(path) in _OF_PACKAGES and b"@." not in path:
            yield name(path).decode("utf-8", "replace")


def _own_folders(path: bytes) -> list[bytes]:
    """Return the folders above ``path``, nearest first, without / and /etc."""
    return [folder for folder in ancestors(path) if folder.count(b"/") > 1]


def _owner(path: bytes, owners: Mapping[bytes, str]) -> str:
    return next((owners[place] for place in (path, *_own_folders(path)) if place in owners), "")


def _owners(paths: Sequence[bytes]) -> dict[bytes, str]:
    """Return, by path, the only package that has it (dpkg-query(1) --search: ``package[:arch]: path``)."""
    owners: dict[bytes, str] = {}
    shared: Counter[bytes] = Counter()
    patterns = [re.sub(rb"([\\*?\[])", rb"\\\1", path) for path in paths]  # each stands for itself alone (glob(7))
    for line in _asked(["dpkg-query", "--search"], patterns):
        packages, _, path = line.partition(b": ")
        several = packages.split(b", ")
        shared[path] += len(several)
        owners[path] = several[0].decode("ascii", "replace")
    return {path: owner for path, owner in owners.items() if shared[path] == 1}


def _asked(command: Sequence[str], words: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the lines that ``command`` prints about ``words``, ignoring those that it does not know. Raises OSError."""
    for start in range(0, len(words), _AT_ONCE):
        some = [os.fsdecode(word) for word in words[start : start + _AT_ONCE]]
        ended = read_output([*command, "--", *some], {**environment(), "LC_ALL": "C"}, _SECONDS, _MOST)
        yield from ended.stdout.splitlines()


def _shown(names: Sequence[str]) -> list[Unit]:
    """Return the loaded ones of the units ``names``; for a template, its instances. Raises OSError."""
    units, asked = (
        [],
        [unit.replace("@.", "@*.") for unit in names],
    )  # a template itself would end the output
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
    """Return the units in which this process runs (cgroups(7)): their restart would end it."""
    try:
        return frozenset(Path("/proc/self/cgroup").read_text(errors="replace").replace("\n", "/").split("/"))
    except OSError:
        return frozenset()
