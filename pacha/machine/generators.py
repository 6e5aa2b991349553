"""The programs that generate something from configuration files, and must run again when these are restored.

Those that concern booting are only listed: a person decides when to run them on this machine. So is the running host
name, because sessions depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacha.files.paths import is_within_any
from pacha.system.executable import find_program


@dataclass(frozen=True, slots=True)
class Generator:
    """A program (``argv``) that makes ``what`` from the files at and below ``sources``.

    ``is_listed``: it is only listed, not run. ``needs``: without this path nothing uses the files, and it would fail.
    """

    what: str
    sources: tuple[bytes, ...]
    argv: tuple[str, ...]
    is_listed: bool = False
    needs: str = "/"


GENERATORS: tuple[Generator, ...] = (
    Generator("the cache of libraries", (b"/etc/ld.so.conf", b"/etc/ld.so.conf.d"), ("ldconfig",)),
    Generator("the accounts of services", (b"/etc/sysusers.d",), ("systemd-sysusers",)),
    Generator("folders that do not last", (b"/etc/tmpfiles.d",), ("systemd-tmpfiles", "--create")),
    Generator("the locales", (b"/etc/locale.gen",), ("locale-gen",)),
    Generator(
        "the root certificates",
        (b"/etc/ca-certificates.conf", b"/etc/ca-certificates", b"/usr/local/share/ca-certificates"),
        ("update-ca-certificates",),
    ),
    Generator("the root certificates", (b"/etc/pki/ca-trust/source",), ("update-ca-trust",)),
    Generator("the mail aliases", (b"/etc/aliases",), ("newaliases",)),
    Generator("the kernel's settings", (b"/etc/sysctl.conf", b"/etc/sysctl.d"), ("sysctl", "--quiet", "--system")),
    Generator("the hardware database", (b"/etc/udev/hwdb.d",), ("systemd-hwdb", "update")),
    Generator(
        "the device rules", (b"/etc/udev/rules.d",), ("udevadm", "control", "--reload"), needs="/run/udev/control",
    ),
    Generator("the running host name", (b"/etc/hostname",), ("hostname", "-F", "/etc/hostname"), is_listed=True),
    Generator(
        "the initramfs",
        (
            b"/etc/initramfs-tools", b"/etc/crypttab", b"/etc/mdadm", b"/etc/lvm", b"/etc/modules", b"/etc/modprobe.d",
            b"/etc/modules-load.d",
        ),
        ("update-initramfs", "-u"),
        is_listed=True,
    ),
    Generator("the initramfs", (b"/etc/dracut.conf", b"/etc/dracut.conf.d"), ("dracut", "--force"), is_listed=True),
    Generator("the boot menu", (b"/etc/default/grub", b"/etc/default/grub.d", b"/etc/grub.d"), ("update-grub",), True),
)  # fmt: skip


def concerned(changed: Iterable[bytes]) -> Iterator[Generator]:
    """Yield the generators whose sources are among the ``changed`` paths and whose program is installed."""
    paths = tuple(changed)
    for generator in GENERATORS:
        is_source = any(is_within_any(path, generator.sources) for path in paths)
        if is_source and os.path.exists(generator.needs) and find_program(generator.argv[0]):
            yield generator
