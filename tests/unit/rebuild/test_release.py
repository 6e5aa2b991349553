"""Which release a snapshot was of, by what /etc has of it; what cannot be told is not said."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.machine.facts import Facts
from pacha.rebuild.machine import Machines
from pacha.rebuild.release import ALPINE, DEBIAN, LSB, OS_RELEASE, Release, ReleaseChange, change_of, compare, words

DEBIAN_12, DEBIAN_13 = Release("debian", "12"), Release("debian", "13")
UBUNTU = b'DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_DESCRIPTION="Ubuntu 22.04.4 LTS"\n'


def machine(root: Path, os_release: str = "", **files: str) -> bytes:
    """A root with a link at /etc/os-release, as most have it, and other files in /etc."""
    (root / "etc").mkdir(parents=True)
    (root / "usr/lib").mkdir(parents=True)
    (root / "etc/os-release").symlink_to("../usr/lib/os-release")
    if os_release:
        (root / "usr/lib/os-release").write_text(os_release)
    for name, text in files.items():
        (root / "etc" / name.replace("__", "-")).write_text(text)
    return os.fsencode(root)


def test_debian_12_comes_to_debian_13(tmp_path: Path) -> None:
    root = machine(tmp_path, 'PRETTY_NAME="Debian GNU/Linux 13"\nID=debian\nVERSION_ID="13"\n', debian_version="13.1\n")
    change = compare({DEBIAN: b"12.5\n"}, root)
    assert change == ReleaseChange(DEBIAN, DEBIAN_12, DEBIAN_13)
    assert words("bar", change, b"") == "'bar' was Debian 12; this machine is Debian 13."
    assert words("bar", change, b"/mnt") == "'bar' was Debian 12; the machine below /mnt is Debian 13."
    (tmp_path / "etc/debian_version").write_text("12.5\n")
    assert compare({DEBIAN: b"12.5\n"}, root) == change, "an earlier rebuild brought that file"
    assert compare({DEBIAN: b"13.0\n"}, root) is None, "another point release of the same"


@pytest.mark.parametrize(
    ("recorded", "here"),
    [
        ({}, "ID=debian\nVERSION_ID=13\n"),
        ({DEBIAN: b"12.5\n"}, ""),
        ({DEBIAN: b"\n"}, "ID=debian\nVERSION_ID=13\n"),
        ({OS_RELEASE: b"NAME=x\n"}, "ID=debian\nVERSION_ID=13\n"),
        ({LSB: UBUNTU, DEBIAN: b"bookworm/sid\n"}, "ID=ubuntu\nVERSION_ID='22.04'\n"),
        ({ALPINE: b"3.19.1\n"}, "ID=alpine\nVERSION_ID=3.19.4\n"),
        ({OS_RELEASE: b"ID=arch\n"}, "ID=arch\n"),
        ({OS_RELEASE: b"ID=rocky\nVERSION_ID=9.4\n"}, "ID=rocky\nVERSION_ID=9.5\n"),
    ],
)
def test_nothing_is_said_of_the_same_or_of_what_cannot_be_told(
    tmp_path: Path, recorded: dict[bytes, bytes], here: str
) -> None:
    assert compare(recorded, machine(tmp_path, here)) is None


def test_where_the_files_do_not_tell_the_facts_do(tmp_path: Path) -> None:
    """/etc/os-release is mostly a link, and Fedora has nothing else that is known."""
    root = machine(tmp_path, "ID=rocky\nVERSION_ID=9.4\n", passwd="")

    def changed(was: str, here: str, place: bytes = b"/etc/hosts") -> ReleaseChange | None:
        spool: Any = SimpleNamespace(places={place: (0, 0, 0)}, bytes_of=lambda path, most: b"")
        facts = [Facts(distribution=word.split()[0], version=word.split()[1]) for word in (was, here)]
        return change_of(spool, root, Machines(recorded=facts[0], here=facts[1]))

    nine, ten = Release("rocky", "9"), Release("rocky", "10")
    assert changed("rocky 9.4", "rocky 10.0") == ReleaseChange(OS_RELEASE, nine, ten)
    assert changed("rocky 9.4", "rocky 10.0", b"/srv/x") == ReleaseChange(b"", nine, ten), "nobody needs to be told"
    assert changed("rocky 9.4", "rocky 9.5") is None
    assert changed("fedora 40", "fedora 41") is not None
    spool: Any = SimpleNamespace(places={}, bytes_of=lambda path, most: b"")
    assert change_of(spool, root, None) is None


@pytest.mark.parametrize(
    ("recorded", "here", "text"),
    [
        ({LSB: UBUNTU}, 'ID=ubuntu\nVERSION_ID="24.04"\n', "Ubuntu 22.04; this machine is Ubuntu 24.04"),
        ({LSB: UBUNTU, DEBIAN: b"12.5"}, "ID=debian\nVERSION_ID=12\n", "Ubuntu 22.04; this machine is Debian 12"),
        ({ALPINE: b"3.19.1\n"}, "ID=alpine\nVERSION_ID=3.20.0\n", "Alpine 3.19; this machine is Alpine 3.20"),
        ({OS_RELEASE: b"ID=arch\n"}, "ID=fedora\nVERSION_ID=40\n", "Arch; this machine is Fedora 40"),
        ({DEBIAN: b"trixie/sid\n"}, "ID=debian\nVERSION_ID=13\n", "Debian trixie/sid; this machine is Debian 13"),
    ],
)
def test_another_one_is_said(tmp_path: Path, recorded: dict[bytes, bytes], here: str, text: str) -> None:
    change = compare(recorded, machine(tmp_path, here))
    assert change is not None and text in words("bar", change, b"")


def test_a_derivative_is_known_by_what_it_derives_from(tmp_path: Path) -> None:
    root = machine(tmp_path, "ID=raspbian\nID_LIKE=debian\nVERSION_ID=12\n", debian_version="12.7\n")
    assert compare({DEBIAN: b"12.5\n"}, root) is None
    assert compare({DEBIAN: b"11.9\n"}, root) is not None


def test_what_they_say_is_another_s_text(tmp_path: Path) -> None:
    hostile = b"\x1b]52;c;x\x07\xe2\x80\xae" + b"9" * 5000
    change = compare({DEBIAN: hostile}, machine(tmp_path, "ID=\x1b[2J\nVERSION_ID=\x9b\n"))
    assert change is not None
    said = words("bar", change, b"/m\n")
    assert said.isprintable() and len(said) < 200


def test_a_link_of_the_root_is_not_followed_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("ID=debian\nVERSION_ID=13\n")
    root = machine(tmp_path / "root")
    (tmp_path / "root/usr/lib/os-release").symlink_to(tmp_path / "outside")
    assert compare({DEBIAN: b"12.5\n"}, root) is None
