"""Everything is fetched before anything is changed, and a killed installation is gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.machine.packages import apt_install, installers
from pacha.machine.packages.installer import Order, PackageInstaller
from pacha.machine.packages.missing import Installed, Missing
from pacha.machine.packages.package_list import Manager, Package, PackageList, SourceFile
from tests.support.fake_apt import FakeApt

NGINX = Package(name="nginx", architecture="amd64", version="1", manual=True, held=True)
FILES = (
    SourceFile(path="/etc/apt/sources.list", content=b"deb [signed-by=/usr/share/keyrings/k.gpg] http://x y z\n"),
    SourceFile(path="/usr/share/keyrings/k.gpg", content=b"key"),
    SourceFile(path="/etc/apt/auth.conf", content=b"login"),
    SourceFile(path="/etc/locale.gen", content=b"de_DE.UTF-8 UTF-8\n"),
    SourceFile(path="/var/cache/debconf/config.dat", content=b"Name: a/b\nValue: c\n"),
    SourceFile(path="/etc/passwd", content=b"forged"),
)
RECORDED = PackageList(manager=Manager.APT, packages=(NGINX,), foreign_architectures=("i386",), files=FILES)
ORDER = Order(recorded=RECORDED, missing=Missing(wanted=(NGINX,)), here=Installed(architecture="amd64", versions={}))
CACHE = (
    r"""case "$*" in *pkgnames*) echo nginx ;; *) printf 'Package: nginx\nArchitecture: amd64\nVersion: 1\n' ;; esac"""
)


@pytest.fixture(name="fake")
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    fake = FakeApt(tmp_path / "bin", monkeypatch)
    fake.program("apt-cache", CACHE)
    fake.program("dpkg", '[ "$1" != --print-architecture ] || echo amd64')
    return fake


@pytest.fixture(name="root")
def root_folder(tmp_path: Path) -> Path:
    (tmp_path / "root/usr/sbin").mkdir(parents=True)
    (tmp_path / "root/etc").mkdir()
    return tmp_path / "root"


@pytest.fixture(name="apt")
def opened_apt(tmp_path: Path, fake: FakeApt, root: Path) -> Iterator[PackageInstaller]:
    with installers.opened(Manager.APT, tmp_path / "cache/packages", root) as apt:
        yield apt


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_fetching_changes_nothing(apt: PackageInstaller, fake: FakeApt, root: Path) -> None:
    fetched = apt.fetch(ORDER)
    assert fetched.chosen.arguments == ("nginx:amd64=1",) and fetched.failures == () and tree(root) == []
    ran = [line for line in fake.asked if line.startswith("apt-get") and "--simulate" not in line]
    start = "apt-get -q -y --no-install-recommends"
    assert ran == [f"{start} --error-on=any update", f"{start} --download-only --reinstall install nginx:amd64=1"]
    assert "APT::Architectures::=i386" in fetched.options and "APT::Get::Remove=false" in fetched.options
    assert f"Dir::Etc::sourcelist={apt.folder}/etc/sources.list" in fetched.options


def test_installing(apt: PackageInstaller, fake: FakeApt, root: Path) -> None:
    fetched = apt.fetch(ORDER)
    fake.program("apt-get", f"cat {root}/usr/sbin/policy-rc.d {root}/etc/locale.gen >{fake.folder}/seen")
    fake.program("dpkg-query", r'printf "nginx\t1\tamd64\tinstall\tinstalled\n"')
    before = len(fake.asked)
    assert apt.install(ORDER, fetched) == ()
    assert apt.was_interrupted  # until the files are back
    assert [line for line in fake.asked[before:] if not line.startswith("dpkg-query")] == [
        "dpkg --add-architecture i386",
        "apt-get -q -y --no-install-recommends --no-download --reinstall install nginx:amd64=1",
        "dpkg --print-architecture",
        "apt-mark manual nginx:amd64",
        "apt-mark hold nginx:amd64",
    ]
    seen = (fake.folder / "seen").read_text()
    assert "exit 101" in seen and "de_DE" in seen
    assert tree(root) == ["etc/locale.gen", "var/cache/debconf/config.dat"]
    apt.finish()
    assert not apt.folder.exists()


def test_a_list_of_locales_that_is_here_stays(apt: PackageInstaller, root: Path) -> None:
    (root / "etc/locale.gen").write_text("own")
    apt.install(ORDER, apt.fetch(ORDER))
    assert (root / "etc/locale.gen").read_text() == "own"


def test_what_fails_is_told_and_the_rest_goes_on(apt: PackageInstaller, fake: FakeApt, root: Path) -> None:
    fetched = apt.fetch(ORDER)
    fake.program("apt-get", "echo E: nginx failed; exit 100")
    assert apt.install(ORDER, fetched) == ("apt-get: E: nginx failed",)
    assert not (root / "usr/sbin/policy-rc.d").exists()


def test_a_source_that_fails_is_told(apt: PackageInstaller, fake: FakeApt) -> None:
    fake.program("apt-get", 'case "$*" in *update*) echo E: no answer; exit 100 ;; esac')
    assert apt.fetch(ORDER).failures == ("apt-get: E: no answer",)


def test_no_answer_at_all_ends_it(apt: PackageInstaller, fake: FakeApt, root: Path) -> None:
    fake.program("apt-get", "echo E: no answer; exit 100")
    with pytest.raises(PachaError) as caught:
        apt.fetch(ORDER)
    assert (caught.value.code, caught.value.why) == ("packages-not-to-be-had", "apt-get: E: no answer")
    assert tree(root) == []


def test_a_source_that_fails_and_has_little_does_not_end_it(apt: PackageInstaller, fake: FakeApt) -> None:
    more = tuple(replace(NGINX, name=f"p{number}") for number in range(9))
    order = replace(ORDER, recorded=replace(RECORDED, packages=(NGINX, *more)))
    fake.program("apt-cache")
    fake.program("apt-get", "echo E: no answer; exit 100")
    (apt.folder / "lists").mkdir()
    (apt.folder / "lists/x_InRelease").touch()
    fetched = apt.fetch(order)
    assert fetched.chosen.not_to_be_had == ("nginx",) and fetched.failures
    (apt.folder / "lists/x_InRelease").unlink()
    with pytest.raises(PachaError):
        apt.fetch(order)


def test_what_is_gone_does_not_end_it(apt: PackageInstaller, fake: FakeApt) -> None:
    fake.program("apt-cache")
    assert apt.fetch(ORDER).chosen.not_to_be_had == ("nginx",)


def test_a_mirror_that_breaks_off_ends_it(apt: PackageInstaller, fake: FakeApt, root: Path) -> None:
    fake.program("apt-get", 'case "$*" in *--download-only*) echo E: cut off; exit 100 ;; esac')
    with pytest.raises(PachaError) as caught:
        apt.fetch(ORDER)
    assert caught.value.code == "packages-not-fetched" and "cut off" in caught.value.why and tree(root) == []


def test_own_sources(apt: PackageInstaller) -> None:
    fetched = apt.fetch(replace(ORDER, own_sources=True))
    assert not [word for word in fetched.options if "Dir::Etc" in word]


def test_dpkg_interrupted_by_something_else(tmp_path: Path, fake: FakeApt, root: Path) -> None:
    fake.program("dpkg-query", r'printf "good\t1\tall\tinstall\tinstalled\nbad\t\tall\tinstall\thalf-configured\n"')
    with pytest.raises(PachaError) as caught, installers.opened(Manager.APT, tmp_path / "c/p", root):
        pass
    assert (caught.value.code, caught.value.why) == ("dpkg-interrupted", "not finished: bad")
    fake.program("dpkg-query")
    (root / "var/lib/dpkg/updates").mkdir(parents=True)
    assert apt_install.unfinished(root) == ()
    (root / "var/lib/dpkg/updates/0001").touch()
    assert apt_install.unfinished(root) == ("dpkg",)


def test_an_own_one_is_gone_on_with(tmp_path: Path, fake: FakeApt, root: Path) -> None:
    (tmp_path / "c/p").mkdir(parents=True)
    (tmp_path / "c/p/installing").touch()
    fake.program("dpkg-query", r'printf "bad\t1\tall\tinstall\tunpacked\n"')
    with installers.opened(Manager.APT, tmp_path / "c/p", root) as apt:
        order = replace(ORDER, missing=Missing())
        assert apt.was_interrupted and apt.install(order, apt.fetch(order)) == ()
    assert "dpkg --configure -a" in fake.asked and not [line for line in fake.asked if "update" in line]
