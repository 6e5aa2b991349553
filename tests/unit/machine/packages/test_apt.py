"""What dpkg and apt say, as a list: with recorded outputs of Debian 12."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pacha.machine.packages import apt, program
from pacha.machine.packages.package_list import Manager, Package, decode, encode
from pacha.machine.packages.program import ProgramError
from tests.support.machines import write

DPKG = """\
adduser\t3.134\tall\tinstall\tinstalled
libc6\t2.36-9+deb12u14\tamd64\tinstall\tinstalled
libc6\t2.36-9+deb12u14\ti386\tinstall\ttriggers-pending
nginx\t1.22.1-9\tamd64\thold\tinstalled
own-tool\t1.0\tall\tinstall\tinstalled
gone\t1.0\tamd64\tdeinstall\tconfig-files
odd\t1.0 -o\tamd64\tinstall\tinstalled
"""
MADISON = """\
   adduser |      3.134 | http://deb.debian.org/debian bookworm/main amd64 Packages
     libc6 | 2.36-9+deb12u14 | http://deb.debian.org/debian bookworm/main amd64 Packages
     nginx | 1.22.1-9+deb12u1 | http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
  own-tool |        0.9 | http://deb.debian.org/debian bookworm/main Sources
"""
STATES = """\
Package: libc6
Architecture: amd64
Auto-Installed: 1

Package: adduser
Architecture: amd64
Auto-Installed: 1

Package: nginx
Architecture: amd64
Auto-Installed: 0
"""
VENDOR = """\
Types: deb
URIs: https://vendor.example/debian
Suites: stable
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg
 /opt/vendor/../keys/next.asc
"""


@pytest.fixture(name="root")
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path / "var/lib/dpkg/status", "Package: x\n")
    write(tmp_path / "var/lib/dpkg/arch", "amd64\ni386\n")
    write(tmp_path / "var/lib/apt/extended_states", STATES)
    write(tmp_path / "var/lib/apt/lists/deb.debian.org_dists_bookworm_main_binary-amd64_Packages.lz4", "")
    write(tmp_path / "var/cache/debconf/config.dat", "Name: postfix/mailname\nValue: bar\n\n")
    write(tmp_path / "var/cache/debconf/passwords.dat", "secret")
    apt_folder = tmp_path / "etc/apt"
    write(apt_folder / "sources.list", "deb [arch=amd64 signed-by=/usr/share/keyrings/own.gpg] http://a b main\n")
    write(apt_folder / "sources.list.d/vendor.sources", VENDOR)
    write(apt_folder / "sources.list.d/old.list.save", "deb x\n")
    write(apt_folder / "preferences.d/vendor", "Package: *\nPin: origin vendor.example\nPin-Priority: 100\n")
    write(apt_folder / "apt.conf.d/90settings", 'APT::Install-Recommends "false";\n')
    write(apt_folder / "apt.conf.d/20listchanges", 'DPkg::Pre-Install-Pkgs { "/usr/bin/apt-listchanges --apt"; };\n')
    write(apt_folder / "auth.conf.d/vendor.conf", "machine vendor.example password secret\n")
    write(apt_folder / "auth.conf", "machine a password secret\n")
    for path in ("usr/share/keyrings/own.gpg", "usr/share/keyrings/vendor.gpg", "opt/keys/next.asc", "usr/share/x.gpg"):
        write(tmp_path / path, f"key of {path}\n")

    def ask(argv: Sequence[str]) -> str:
        return {"dpkg-query": DPKG, "dpkg": "amd64\n", "apt-cache": MADISON}[argv[0]]

    monkeypatch.setattr(program, "ask", ask)
    monkeypatch.setattr(program, "find", lambda *names: f"/usr/bin/{names[0]}")
    return tmp_path


def test_the_packages_and_what_is_said_of_them(root: Path) -> None:
    assert apt.detect(root) and not apt.detect(root / "etc")
    told = apt.capture(root)
    assert told.manager is Manager.APT and told.foreign_architectures == ("i386",)
    assert told.packages == (
        Package(name="adduser", architecture="all", version="3.134"),
        Package(name="libc6", architecture="amd64", version="2.36-9+deb12u14"),
        Package(name="libc6", architecture="i386", version="2.36-9+deb12u14", manual=True, available=False),
        Package(name="nginx", architecture="amd64", version="1.22.1-9", manual=True, held=True),
        Package(name="own-tool", architecture="all", version="1.0", manual=True, available=False),
    )
    assert decode(encode(told)) == told


def test_sources_their_keys_pins_and_answers_come_along_and_no_secret(root: Path) -> None:
    told = apt.capture(root)
    assert [file.path for file in told.files] == [
        "/etc/apt/apt.conf.d/90settings",
        "/etc/apt/preferences.d/vendor",
        "/etc/apt/sources.list",
        "/etc/apt/sources.list.d/vendor.sources",
        "/opt/keys/next.asc",
        "/usr/share/keyrings/own.gpg",
        "/usr/share/keyrings/vendor.gpg",
        "/var/cache/debconf/config.dat",
    ]
    assert b"secret" not in encode(told)


def test_without_the_lists_of_the_sources_nothing_is_said_to_be_gone(root: Path) -> None:
    before = apt.fingerprint(root)
    for path in (root / "var/lib/apt/lists").iterdir():
        path.unlink()
    assert all(package.available for package in apt.capture(root).packages)
    assert apt.fingerprint(root) != before


@pytest.mark.parametrize(
    "path",
    [
        "var/lib/dpkg/status",
        "var/lib/apt/extended_states",
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/new.list",
        "usr/share/keyrings/vendor.gpg",
        "opt/keys/next.asc",
        "var/cache/debconf/config.dat",
        "var/lib/dpkg/alternatives/new",
        "etc/alternatives/new",
    ],
)
def test_the_fingerprint_follows_what_is_told(root: Path, path: str) -> None:
    before = apt.fingerprint(root)
    assert apt.fingerprint(root) == before
    write(root / path, "another content, of another length\n")
    assert apt.fingerprint(root) != before


def test_without_dpkg_query_nothing_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(program, "PATH", "/nowhere")
    with pytest.raises(ProgramError, match="dpkg-query: it cannot be started"):
        apt.capture(root)


def test_what_is_installed_is_what_is_ready(root: Path) -> None:
    versions = {("adduser", "all"): "3.134", ("libc6", "amd64"): "2.36-9+deb12u14", ("nginx", "amd64"): "1.22.1-9"}
    assert apt.installed(root) == ("amd64", {**versions, ("own-tool", "all"): "1.0"})
