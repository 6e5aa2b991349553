"""What other files refer to."""

from __future__ import annotations

import pytest

from pacha.machine import parts
from pacha.machine.references import Named, Reader, read


@pytest.mark.parametrize(
    ("reader", "text", "about", "values"),
    [
        (parts.modules, "# a comment\nnvidia-drm modeset=1\n; another\nloop\n", Named.MODULE, ["nvidia-drm", "loop"]),
        (parts.modprobe, "options vfio-pci ids=10de:1B80,10de:10f0\n", Named.PCI_ID, ["10de:1b80", "10de:10f0"]),
        (parts.modprobe, "blacklist nouveau\noptions zfs zfs_arc_max=1\n", Named.PCI_ID, []),
        (parts.xorg, 'Section "Device"\n  BusID "PCI:1:0:0"\n', Named.PCI, ["0000:01:00.0"]),
        (parts.sensors, "DEVPATH=hwmon1=devices/platform/a.1 hwmon2=devices/platform/b\n", Named.SYSFS,
         ["/sys/devices/platform/a.1", "/sys/devices/platform/b"]),
        (parts.paths, "/usr/lib/libx.so ${LIB}/liby.so\n# /no\n", Named.FILE, ["/usr/lib/libx.so"]),
        (parts.pam, "auth [success=1 default=ignore] pam_unix.so nullok\n-session optional pam_systemd.so\n"
         "session\toptional\tpam_kwallet.so\nauth required /lib/security/pam_tally2.so\n@include common-auth\n",
         Named.PAM, ["pam_unix.so", "pam_tally2.so"]),
        (parts.name_services, "passwd: files [NOTFOUND=return] sss\nhosts: files mdns4\n", Named.NSS, ["files", "sss"]),
    ],
)  # fmt: skip
def test_what_is_named(reader: Reader, text: str, about: Named, values: list[str]) -> None:
    found = read(reader, "/etc/x", text.encode())
    assert [(reference.about, reference.value) for reference in found] == [(about, value) for value in values]
