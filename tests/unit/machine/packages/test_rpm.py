"""What rpm and dnf say, as a list: with recorded outputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pacha.machine.packages import program, rpm
from pacha.machine.packages.package_list import Manager, Package, decode, encode
from pacha.machine.packages.program import ProgramError
from tests.support.machines import write

RPM = (
    "kernel-core\t0\t5.14.0-9.el9\tx86_64\t200\n"
    "kernel-core\t0\t5.14.0-10.el9\tx86_64\t300\n"
    "gpg-pubkey\t0\t1d1a-2b\t(none)\t1\n"
    "nginx\t1\t1.20.1-14.el9\tx86_64\t100\n"
    "tzdata\t0\t2024a-1.el9\tnoarch\t100\n"
    "own-tool\t0\t1.0-1\tnoarch\t100\n"
)
REPOSITORY = """\
[vendor]
baseurl=https://vendor.example/el9
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-$releasever
       file:///usr/share/vendor/KEY
"""


class Programs:
    """rpm and dnf, with their answers; an error for a question without one."""

    def __init__(self) -> None:
        self.answers = {
            "-qa": RPM,
            "--userinstalled": "nginx x86_64\n\nown-tool noarch\n",
            "--extras": "own-tool noarch\n",
        }

    def ask(self, argv: Sequence[str]) -> str:
        word = next((word for word in self.answers if word in argv), None)
        if word is None:
            raise ProgramError("dnf", "exit code 1")
        return self.answers[word]


@pytest.fixture(name="programs")
def recorded(monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs = Programs()
    monkeypatch.setattr(program, "ask", programs.ask)
    monkeypatch.setattr(program, "find", lambda *names: f"/usr/bin/{names[-1]}")
    return programs


@pytest.fixture(name="root")
def fedora(tmp_path: Path) -> Path:
    write(tmp_path / "usr/lib/sysimage/rpm/rpmdb.sqlite", "x")
    write(tmp_path / "etc/yum.repos.d/vendor.repo", REPOSITORY)
    write(tmp_path / "etc/pki/rpm-gpg/RPM-GPG-KEY-9", "key")
    write(tmp_path / "usr/share/vendor/KEY", "key")
    write(tmp_path / "etc/dnf/vars/stream", "9-stream\n")
    write(tmp_path / "etc/dnf/plugins/versionlock.list", "# Added lock\nnginx-1:1.20.1-14.el9.*\n!tzdata-*\n")
    return tmp_path


def by_name(root: Path) -> dict[str, Package]:
    return {package.name: package for package in rpm.capture(root).packages}


@pytest.mark.usefixtures("programs")
def test_the_packages_and_what_is_said_of_them(root: Path) -> None:
    assert rpm.detect(root) and not rpm.detect(root / "etc")
    told = rpm.capture(root)
    assert told.manager is Manager.DNF and decode(encode(told)) == told
    assert told.packages == (
        Package(name="kernel-core", architecture="x86_64", version="5.14.0-10.el9"),
        Package(name="nginx", architecture="x86_64", version="1:1.20.1-14.el9", manual=True, held=True),
        Package(name="own-tool", architecture="noarch", version="1.0-1", manual=True, available=False),
        Package(name="tzdata", architecture="noarch", version="2024a-1.el9"),
    )
    assert [file.path for file in told.files] == [
        "/etc/dnf/plugins/versionlock.list",
        "/etc/dnf/vars/stream",
        "/etc/pki/rpm-gpg/RPM-GPG-KEY-9",
        "/etc/yum.repos.d/vendor.repo",
        "/usr/share/vendor/KEY",
    ]


def test_what_is_for_another_architecture_than_most_is_foreign(root: Path, programs: Programs) -> None:
    programs.answers["-qa"] += "nginx\t0\t1.18-1.el9\ti686\t100\nglibc\t0\t2.34-1.el9\tx86_64\t100\n"
    assert rpm.capture(root).foreign_architectures == ("i686",)
    architecture, versions = rpm.installed(root)
    assert architecture == "x86_64" and versions["nginx", "i686"] == "1.18-1.el9"


def test_an_empty_system_has_the_architecture_of_its_kernel(root: Path, programs: Programs) -> None:
    programs.answers["-qa"] = ""
    assert rpm.installed(root) == (os.uname().machine, {})


@pytest.mark.usefixtures("programs")
def test_the_locks_of_dnf_5_count(root: Path) -> None:
    write(root / "etc/dnf/versionlock.toml", 'version = "1.0"\n[[packages]]\nname = "tzdata"\n')
    assert by_name(root)["tzdata"].held


def test_a_line_that_is_no_row_is_no_crash(root: Path, programs: Programs) -> None:
    programs.answers["-qa"] += "warning: waiting for the database\n"
    with pytest.raises(ValueError, match="invalid literal"):  # which ends no push: host.packages tells it
        rpm.capture(root)


def test_what_dnf_never_fetched_is_not_said_to_be_gone(root: Path, programs: Programs) -> None:
    programs.answers["--extras"] = "kernel-core x86_64\nnginx x86_64\nown-tool noarch\ntzdata noarch\n"
    assert all(package.available for package in by_name(root).values())
    del programs.answers["--extras"]
    assert all(package.available for package in by_name(root).values())


def test_a_hanging_dnf_is_a_failure(root: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(argv: Sequence[str]) -> str:
        if "--extras" in argv:
            raise ProgramError("dnf", "no end", hangs=True)
        return programs.ask(argv)

    monkeypatch.setattr(program, "ask", ask)
    with pytest.raises(ProgramError):
        rpm.capture(root)


def test_where_dnf_does_not_tell_who_asked_a_plain_user_takes_all_for_wanted(
    root: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    del programs.answers["--userinstalled"]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(ProgramError):
        rpm.capture(root)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert all(package.manual for package in by_name(root).values())


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "var/lib/dnf/history.sqlite",
        "var/lib/dnf/history.sqlite-wal",
        "etc/yum.repos.d/x.repo",
        "usr/share/vendor/KEY",
    ],
)
def test_the_fingerprint_follows_what_is_told(root: Path, path: str) -> None:
    before = rpm.fingerprint(root)
    assert rpm.fingerprint(root) == before
    write(root / path, "another content, of another length\n")
    assert rpm.fingerprint(root) != before


def test_a_look_at_the_history_of_dnf_changes_no_fingerprint(root: Path) -> None:
    """With a write-ahead log, each process that only reads it touches the time of the database."""
    write(root / "var/lib/dnf/history.sqlite-wal", "x")
    before = rpm.fingerprint(root)
    write(root / "var/lib/dnf/history.sqlite", "touched\n")
    assert rpm.fingerprint(root) == before
