"""The table of files that are bound to their machine, and what a rebuild on another machine does with each.

Paths are those of the recorded system. The first row that matches a path applies; a path without a row is restored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from pacha.machine import addresses, disks, merging, network, parts
from pacha.machine.merging import Merge
from pacha.machine.references import Reader


class Policy(Enum):
    """What a rebuild on another machine does with a file."""

    RESTORE = "restored"
    NAME = "restored, and named where something that it refers to is not here"
    KEEP = "kept as this machine has it"
    CHECK = "restored where all that it refers to is here"
    SAME_RELEASE = "restored onto the same release only"
    GENERATED = "made anew on each machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Files of one kind. ``reason`` explains their policy (a clause, for a person); ``reader`` finds their references.

    A file with the policy NAME and without a reader is always named. ``merge``: it is merged with this machine's file.
    ``of_links``: the row is for links that may lead nowhere, not for files. ``by_name``: a file that names no network
    card configures none, so it must not replace one that names a card of this machine.
    """

    policy: Policy
    reason: str
    patterns: tuple[str, ...]
    reader: Reader | None = None
    merge: Merge | None = None
    by_name: bool = False
    of_links: bool = False


def _check(reader: Reader, reason: str, patterns: str, merge: Merge | None = None, *, by_name: bool = False) -> Row:
    words = tuple(patterns.split())
    return Row(policy=Policy.CHECK, reason=reason, patterns=words, reader=reader, merge=merge, by_name=by_name)


def _keep(reason: str, patterns: str) -> Row:
    return Row(policy=Policy.KEEP, reason=reason, patterns=tuple(patterns.split()))


def _name(reason: str, patterns: str, reader: Reader | None = None) -> Row:
    return Row(policy=Policy.NAME, reason=reason, patterns=tuple(patterns.split()), reader=reader)


def _release(reason: str, patterns: str, reader: Reader | None = None) -> Row:
    return Row(policy=Policy.SAME_RELEASE, reason=reason, patterns=tuple(patterns.split()), reader=reader)


_NO_BOOT = "without it the next boot stops"
_NO_NETWORK = "without it the machine is not reached any more"
_IDENTITY = "it tells this installation from every other"

#: In a pattern, ``*`` stands for any part of a name, and ``/**`` for everything below.
TABLE: tuple[Row, ...] = (
    # disks and boot
    _check(disks.fstab, "the boot stops where a disk is missing", "/etc/fstab", merging.fstab),
    _check(disks.crypttab, "the boot waits for it, and stops", "/etc/crypttab /etc/cryptsetup-initramfs/*"),
    _check(disks.mdadm, "arrays come up under other names", "/etc/mdadm.conf /etc/mdadm/mdadm.conf "
           "/etc/mdadm.conf.d/*"),
    _check(disks.lvm, "a filter hides every volume group", "/etc/lvm/lvm.conf /etc/lvm/lvmlocal.conf "
           "/etc/lvm/profile/*"),
    _keep("the list hides volume groups of other disks", "/etc/lvm/devices/*"),
    _keep("it describes the volume groups of other disks", "/etc/lvm/backup/* /etc/lvm/archive/*"),
    _check(disks.words, _NO_BOOT, "/etc/initramfs-tools/conf.d/* /etc/initramfs-tools/initramfs.conf /etc/default/grub "
           "/etc/default/grub.d/* /etc/kernel/cmdline /etc/kernel/cmdline.d/* /etc/kernel/install.conf "
           "/etc/dracut.conf /etc/dracut.conf.d/* /etc/mkinitcpio.conf /etc/mkinitcpio.conf.d/* /etc/mkinitcpio.d/* "
           "/etc/mkinitfs/mkinitfs.conf /etc/update-extlinux.conf /etc/zipl.conf /etc/lilo.conf /etc/elilo.conf "
           "/etc/yaboot.conf /etc/sysconfig/grub /etc/sysconfig/bootloader /etc/default/u-boot /boot/grub/grub.cfg "
           "/boot/grub2/grub.cfg /boot/extlinux/extlinux.conf /boot/cmdline.txt"),
    _check(disks.uuids, "it starts the system of another disk", "/etc/grub.d/*"),
    _keep("it belongs to the boot loader of this installation", "/etc/kernel/entry-token /boot/loader/entries/* "
          "/boot/grub/grubenv /boot/grub2/grubenv /boot/grub/device.map /boot/grub2/device.map"),
    Row(policy=Policy.GENERATED, reason="the pools that are imported make it", patterns=("/etc/zfs/zpool.cache",)),
    _keep("the pools here are known by it", "/etc/hostid"),
    _check(disks.words, "its disks get no names", "/etc/zfs/vdev_id.conf"),
    _check(disks.snapper, "no snapshots are made on another file system", "/etc/snapper/configs/*"),
    _check(disks.words, "what it names is not there", "/etc/sysconfig/btrfsmaintenance /etc/btrbk.conf "
           "/etc/btrbk/* /etc/timeshift.json /etc/timeshift/timeshift.json"),
    _check(disks.unit, "the unit fails, and with it what needs it", "/etc/systemd/system/*.mount "
           "/etc/systemd/system/*.swap /etc/systemd/system/*.automount"),
    _keep("another disk may get a known name", "/etc/multipath/wwids /etc/multipath/bindings /etc/iscsi/nodes/**"),
    _check(disks.multipath, "another disk may get a known name", "/etc/multipath.conf /etc/multipath/conf.d/*"),
    # the installation
    _keep(_IDENTITY, "/etc/machine-id /var/lib/dbus/machine-id"),
    _keep("the same numbers would come twice", "/var/lib/systemd/random-seed /var/lib/systemd/credential.secret "
          "/var/lib/urandom/random-seed"),
    _keep("a chip of the other machine has the key", "/etc/credstore.encrypted/* /etc/systemd/tpm2-*"),
    _keep("the provider of this machine decides", "/etc/cloud/cloud.cfg.d/* /etc/cloud/ds-identify.cfg "
          "/etc/cloud/cloud-init.disabled /etc/netplan/50-cloud-init.yaml /etc/netplan/90-installer-config.yaml "
          "/etc/network/interfaces.d/50-cloud-init /etc/network/interfaces.d/50-cloud-init.cfg /var/lib/cloud/**"),
    _keep("it belongs to another hypervisor", "/etc/waagent.conf /etc/default/instance_configs.cfg "
          "/etc/default/qemu-guest-agent /etc/qemu/qemu-ga.conf /etc/vmware-tools/** /etc/amazon/ssm/** "
          "/etc/xe-guest-distribution"),
    # the network
    _check(network.interfaces, _NO_NETWORK, "/etc/network/interfaces /etc/network/interfaces.d/*", by_name=True),
    _check(network.netplan, _NO_NETWORK, "/etc/netplan/*", by_name=True),
    _check(network.networkd, _NO_NETWORK, "/etc/systemd/network/*"),
    _check(network.network_manager, _NO_NETWORK, "/etc/NetworkManager/system-connections/* "
           "/etc/NetworkManager/NetworkManager.conf /etc/NetworkManager/conf.d/*"),
    _check(network.ifcfg, _NO_NETWORK, "/etc/sysconfig/network-scripts/ifcfg-* /etc/sysconfig/network-scripts/route* "
           "/etc/sysconfig/network-scripts/rule* /etc/sysconfig/network /etc/sysconfig/network/ifcfg-* /etc/conf.d/net "
           "/etc/netctl/*"),
    _check(network.interfaces, _NO_NETWORK, "/etc/dhcpcd.conf /etc/wpa_supplicant/* /etc/connman/*"),
    _keep("an old card would keep the name of a new one", "/etc/udev/rules.d/70-persistent-net.rules "
          "/etc/udev/rules.d/75-persistent-net-generator.rules /etc/udev/rules.d/70-persistent-cd.rules"),
    _check(network.rules, "a device gets no name, or another one gets it", "/etc/udev/rules.d/*"),
    _keep("the name servers are those of this network", "/etc/resolv.conf"),
    _keep("two machines would get one address", "/etc/dhcpcd.duid /etc/dhcpcd.secret /var/lib/dhcp/* "
          "/var/lib/dhcpcd/* /var/lib/NetworkManager/*"),
    _check(network.names, "the rules do not load, or shut everyone out", "/etc/nftables.conf /etc/nftables/* "
           "/etc/nftables.d/* /etc/iptables/* /etc/sysconfig/iptables /etc/sysconfig/ip6tables /etc/ufw/*.rules "
           "/etc/firewalld/zones/* /etc/shorewall/* /etc/shorewall6/*"),
    # other hardware
    _check(disks.words, "its daemon does not start", "/etc/smartd.conf /etc/smartmontools/smartd.conf "
           "/etc/default/smartmontools /etc/hdparm.conf"),
    _check(parts.sensors, "it drives the fans of another board", "/etc/fancontrol"),
    _keep("it knows the sensors of another board", "/etc/sensors3.conf /etc/sensors.d/*"),
    Row(policy=Policy.RESTORE, reason="a keyboard is no part of a machine",
        patterns=("/etc/X11/xorg.conf.d/00-keyboard.conf",)),
    _keep("the screen stays black on another card", "/etc/X11/xorg.conf"),
    _check(parts.xorg, "the screen stays black on another card", "/etc/X11/xorg.conf.d/*"),
    _check(parts.modules, "a module that is not here fails at each boot", "/etc/modules /etc/modules-load.d/* "
           "/etc/initramfs-tools/modules"),
    _check(parts.modprobe, "another card may be taken away", "/etc/modprobe.d/*"),
    Row(policy=Policy.RESTORE, reason="the drift of this clock stays", patterns=("/etc/adjtime",),
        merge=merging.adjtime),
    # the software
    Row(policy=Policy.GENERATED, reason="ldconfig makes it", patterns=("/etc/ld.so.cache",)),
    Row(policy=Policy.GENERATED, reason="systemd-hwdb makes it", patterns=("/etc/udev/hwdb.bin",)),
    _check(parts.paths, "every program complains of it", "/etc/ld.so.preload"),
    _release("nobody logs in where a module is missing", "/etc/pam.conf /etc/pam.d/*", parts.pam),
    _release("accounts are not found", "/etc/nsswitch.conf", parts.name_services),
    _release("it is of another release", "/etc/security/* /etc/login.defs /etc/authselect/* /etc/selinux/**"),
    _release("packages of two releases would be mixed", "/etc/apt/sources.list /etc/apt/sources.list.d/* "
             "/etc/apt/preferences /etc/apt/preferences.d/* /etc/yum.repos.d/* /etc/dnf/vars/* /etc/yum/vars/* "
             "/etc/zypp/repos.d/* /etc/apk/repositories /etc/apk/arch /etc/pacman.d/mirrorlist"),
    _release("programs would believe in another release", "/etc/debian_version /etc/os-release /etc/lsb-release "
             "/etc/redhat-release /etc/fedora-release /etc/centos-release /etc/system-release /etc/system-release-cpe "
             "/etc/alpine-release /etc/SuSE-release /etc/arch-release /etc/issue /etc/issue.net /etc/dpkg/origins/*"),
    # files of the host's role, of which a person should know
    _name("the service does not hear at it", "/etc/nginx/nginx.conf /etc/nginx/conf.d/* /etc/nginx/sites-enabled/* "
          "/etc/nginx/sites-available/* /etc/apache2/ports.conf /etc/apache2/sites-available/* /etc/httpd/conf.d/* "
          "/etc/httpd/conf/httpd.conf /etc/haproxy/haproxy.cfg /etc/postfix/main.cf /etc/bind/named.conf.options "
          "/etc/named.conf /etc/postgresql/** /etc/mysql/mariadb.conf.d/* /etc/mysql/conf.d/* /etc/my.cnf "
          "/etc/my.cnf.d/* /etc/dnsmasq.conf /etc/dnsmasq.d/* /etc/redis/redis.conf /etc/dovecot/dovecot.conf "
          "/etc/unbound/unbound.conf.d/* /etc/chrony/chrony.conf /etc/hostapd/hostapd.conf /etc/radvd.conf "
          "/etc/default/isc-dhcp-server /etc/keepalived/keepalived.conf /etc/snmp/snmpd.conf", addresses.listens),
    _name("the setting is without effect", "/etc/sysctl.conf /etc/sysctl.d/*", addresses.settings),
    _name("what is plugged in there is missed", "/etc/nut/ups.conf /etc/apcupsd/apcupsd.conf /etc/ser2net.conf "
          "/etc/ser2net.yaml /etc/default/gpsd", parts.devices),
    _name("two machines must not have one name at the storage; give this one its own while the other lives",
          "/etc/iscsi/initiatorname.iscsi /etc/nvme/hostnqn /etc/nvme/hostid"),
    _name("the subscription is that of the other machine: register this one",
          "/etc/pki/consumer/cert.pem /etc/sysconfig/rhn/systemid /etc/zypp/credentials.d/SCCcredentials "
          "/var/lib/ubuntu-advantage/private/machine-token.json /etc/landscape/client.conf"),
    Row(policy=Policy.NAME, reason="install what they are for", of_links=True, patterns=(
        "/etc/alternatives/*", "/etc/ssl/certs/*", "/etc/systemd/system/multi-user.target.wants/*",
        "/etc/systemd/system/timers.target.wants/*", "/etc/systemd/system/sockets.target.wants/*",
        "/etc/systemd/system/sysinit.target.wants/*", "/etc/systemd/system/graphical.target.wants/*")),
)  # fmt: skip


def row_of(path: str) -> Row | None:
    """Return the row of the table that applies to ``path`` (absolute); None if none does."""
    folder, _, name = path.rpartition("/")
    matching = [number for pattern, number in _BY_FOLDER.get(folder, ()) if fnmatchcase(name, pattern)]
    while folder:
        matching += _BELOW.get(folder, ())
        folder = folder.rpartition("/")[0]
    return TABLE[min(matching)] if matching else None


def _by_folder() -> Mapping[str, list[tuple[str, int]]]:
    folders: dict[str, list[tuple[str, int]]] = {}
    for number, pattern in _patterns():
        folder, _, name = pattern.rpartition("/")
        if name != "**":
            folders.setdefault(folder, []).append((name, number))
    return folders


def _patterns() -> Iterator[tuple[int, str]]:
    return ((number, pattern) for number, row in enumerate(TABLE) for pattern in row.patterns)


_BY_FOLDER = _by_folder()
_BELOW = {pattern[:-3]: [number] for number, pattern in _patterns() if pattern.endswith("/**")}
