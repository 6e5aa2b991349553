"""The packages of a machine, as lines of 80 columns and as JSON; nothing in them obeys a terminal."""

from __future__ import annotations

import json

from pacha.machine.packages.package_list import Manager, Package, PackageList, SourceFile
from pacha.ui import packages

LIST = PackageList(
    manager=Manager.APT,
    packages=(
        Package(name="libc6", architecture="i386", version="2.36-9+deb12u9"),
        Package(name="nginx", architecture="amd64", version="1:1.22.1-9~bpo", manual=True, held=True),
        Package(name="own-tool", architecture="all", version="1.0", manual=True, available=False),
    ),
    foreign_architectures=("i386",),
    files=(
        SourceFile(path="/etc/apt/preferences.d/own", content=b"Pin: x\n"),
        SourceFile(path="/etc/apt/sources.list", content=b"deb x\n"),
        SourceFile(path="/usr/share/keyrings/own.gpg", content=b"\x99\x01key"),
        SourceFile(path="/usr/share/vendor/KEY", content=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"),
    ),
    alternatives=(("editor", "/usr/bin/vim.basic"),),
)


def test_each_package_has_a_line_and_what_it_comes_from_follows() -> None:
    assert list(packages.lines(LIST)) == [
        "apt: 3 packages, 2 manual, 1 held, 1 unavailable, also for i386",
        "libc6:i386  2.36-9+deb12u9",
        "nginx       1:1.22.1-9~bpo  manual held",
        "own-tool    1.0             manual unavailable",
        "Unavailable:  own-tool",
        "Sources:      /etc/apt/sources.list",
        "Keys:         /usr/share/keyrings/own.gpg",
        "              /usr/share/vendor/KEY",
        "Alternatives: editor /usr/bin/vim.basic",
        "Also kept:    /etc/apt/preferences.d/own",
    ]
    assert list(packages.lines(PackageList(manager=Manager.DNF))) == ["dnf: 0 packages"]


def test_a_long_name_takes_no_room_from_the_others() -> None:
    long = Package(name="a" * 100, architecture="amd64", version="1", manual=True)
    shown = list(packages.lines(PackageList(manager=Manager.APT, packages=(long, *LIST.packages))))
    assert all(len(line) <= 80 for line in shown[2:5])


def test_nothing_of_it_reaches_the_terminal() -> None:
    evil = SourceFile(path="/etc/\x1b]52;c;x\x07\u202e\udcff" * 50, content=b"")
    lines = list(packages.lines(PackageList(manager=Manager.APT, files=(evil,))))
    assert all(line.isprintable() and len(line) < 300 for line in lines)


def test_as_json_every_byte_is_there() -> None:
    loaded = json.loads(json.dumps(packages.as_json(LIST)))
    assert loaded["packages"][1] == {
        "name": "nginx", "architecture": "amd64", "version": "1:1.22.1-9~bpo", "manual": True, "held": True,
        "available": True,
    }  # fmt: skip
    assert loaded["files"][1:3] == [
        {"path": "/etc/apt/sources.list", "text": "deb x\n"},
        {"path": "/usr/share/keyrings/own.gpg", "base64": "mQFrZXk="},
    ]
