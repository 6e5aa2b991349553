"""dnf fetches everything before it changes anything, and gets only names that it knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.machine.packages import installers
from pacha.machine.packages.installer import Order, PackageInstaller
from pacha.machine.packages.missing import Installed, Missing
from pacha.machine.packages.package_list import Manager, Package, PackageList, SourceFile
from pacha.machine.packages.program import ProgramError
from tests.support.fake_dnf import FakeDnf

NGINX = Package(name="nginx", architecture="x86_64", version="1:1.20-1", manual=True, held=True)
DATA = Package(name="data", architecture="noarch", version="1-1")
GLIBC = Package(name="glibc", architecture="i686", version="2-1")
FORGED = Package(name="evil.rpm", architecture="x86_64", version="1-1")
FILES = (
    SourceFile(path="/etc/passwd", content=b"forged"),
    SourceFile(path="/etc/yum.repos.d/own.repo", content=b"[one]\nbaseurl=http://one\n[two]\nbaseurl=http://two\n"),
)
EVERY = (DATA, FORGED, GLIBC, NGINX)
RECORDED = PackageList(manager=Manager.DNF, packages=EVERY, foreign_architectures=("i686",), files=FILES)
HERE = Installed(architecture="x86_64", versions={})
ORDER = Order(recorded=RECORDED, missing=Missing(wanted=EVERY), here=HERE)
OFFERS = (
    "nginx x86_64 1 1.20-1\n\nnginx x86_64 1 1.22-1\n\ndata noarch 0 2-1\n\nglibc i686 0 2-1\n\nglibc x86_64 0 2-1\n"
)
ROWS = r"bash\t0\t5-1\tx86_64\t1\nnginx\t1\t1.20-1\tx86_64\t100\nglibc\t0\t2-1\ti686\t1\n"
ROWS += r"data\t0\t2-1\tnoarch\t5000000000\n"


@pytest.fixture(name="fake")
def fake_dnf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDnf:
    fake = FakeDnf(tmp_path / "bin", monkeypatch)
    fake.program("dnf", f'case "$*" in *repoquery*) printf "{OFFERS}" ;; esac')
    return fake


@pytest.fixture(name="dnf")
def opened_dnf(tmp_path: Path, fake: FakeDnf) -> Iterator[PackageInstaller]:
    with installers.opened(Manager.DNF, tmp_path / "cache/packages", tmp_path / "root") as dnf:
        yield dnf


def test_fetching_changes_nothing(dnf: PackageInstaller, fake: FakeDnf, tmp_path: Path) -> None:
    fetched = dnf.fetch(ORDER)
    assert fetched.chosen.arguments == ("data.noarch", "glibc.i686", "nginx-1:1.20-1.x86_64")
    assert fetched.chosen.not_to_be_had == ("evil.rpm",) and fetched.chosen.other_versions == ()
    makecache, query, *_, download = fake.asked  # the format of the query ends a line
    assert makecache == "dnf -y --refresh makecache"
    assert query.startswith("dnf -y -q -C repoquery --available --qf")
    assert " data glibc nginx" in fake.asked
    arguments = " ".join(fetched.chosen.arguments)
    assert download == f"dnf -y --nogpgcheck --downloadonly --skip-broken install {arguments}"
    settings = [word for word in fake.lines()[-1].split(" ") if word.startswith("--setopt=")]
    assert f"--setopt=cachedir={dnf.folder}/cache" in settings and "--setopt=plugins=0" in settings
    assert f"--setopt=reposdir={dnf.folder}/etc/repos" in settings
    assert not (tmp_path / "root").exists()


def test_installing(dnf: PackageInstaller, fake: FakeDnf) -> None:
    fetched = dnf.fetch(ORDER)
    fake.program("dnf", f'case "$*" in *--skip-broken*) printenv SYSTEMD_OFFLINE; ls {dnf.folder}/transaction ;; esac')
    fake.program("rpm", f"printf '{ROWS}'")
    before = len(fake.asked)
    assert dnf.install(ORDER, fetched) == ()
    assert dnf.was_interrupted and not (dnf.folder / "transaction").exists()
    ran = [line for line in fake.asked[before:] if line.startswith("dnf")]
    assert ran == [
        "dnf -y -C --skip-broken install data.noarch glibc.i686 nginx-1:1.20-1.x86_64",
        "dnf -y -C mark install nginx.x86_64",
        "dnf -y -C mark remove data.noarch glibc.i686",
    ]
    assert f"\n1\n{dnf.folder}/transaction\n" in (dnf.folder / "log").read_text()


def test_the_words_of_version_5(dnf: PackageInstaller, fake: FakeDnf) -> None:
    fetched = dnf.fetch(ORDER)
    (fake.folder / "dnf").rename(fake.folder / "dnf5")
    (fake.folder / "dnf").symlink_to("dnf5")
    fake.program("rpm", f"printf '{ROWS}'")
    dnf.install(ORDER, fetched)
    assert [line for line in fake.asked if " mark " in line] == [
        "dnf -y -C mark user nginx.x86_64",
        "dnf -y -C mark dependency data.noarch glibc.i686",
    ]


def test_a_transaction_that_fails_as_a_whole_ends_it(dnf: PackageInstaller, fake: FakeDnf) -> None:
    fetched = dnf.fetch(ORDER)
    fake.program("dnf", "echo Error: GPG check FAILED; exit 1")
    with pytest.raises(ProgramError, match="dnf: Error: GPG check FAILED"):
        dnf.install(ORDER, fetched)


def test_what_was_left_out_is_told_and_the_rest_goes_on(dnf: PackageInstaller, fake: FakeDnf) -> None:
    fetched = dnf.fetch(ORDER)
    fake.program("rpm", r"printf 'data\t0\t2-1\tnoarch\t1\n'")
    assert dnf.install(ORDER, fetched) == ("dnf: not installed: glibc, nginx",)


def test_what_a_killed_one_installed_is_installed_anew(dnf: PackageInstaller, fake: FakeDnf) -> None:
    (dnf.folder / "transaction").touch()
    fake.program("rpm", f"printf '{ROWS}'")
    order = replace(ORDER, missing=Missing())
    fetched = dnf.fetch(order)
    assert fake.asked == []
    assert dnf.install(order, fetched) == ()
    assert "dnf -y -C reinstall data.noarch" in fake.asked and not (dnf.folder / "transaction").exists()


def test_a_source_that_fails_keeps_only_its_own_away(dnf: PackageInstaller, fake: FakeDnf) -> None:
    script = f'*repoquery*) printf "{OFFERS}" ;; *--repo=one*) ;; *makecache*) echo Error: no answer; exit 1 ;;'
    fake.program("dnf", f'case "$*" in {script} esac')
    fetched = dnf.fetch(ORDER)
    assert fetched.failures == ("two: dnf: Error: no answer",) and len(fetched.chosen.arguments) == 3
    assert " --disablerepo=two " in fake.asked[-1]


def test_no_answer_at_all_ends_it(dnf: PackageInstaller, fake: FakeDnf) -> None:
    fake.program("dnf", "echo Error: no answer; exit 1")
    with pytest.raises(PachaError) as caught:
        dnf.fetch(ORDER)
    assert (caught.value.code, caught.value.why) == ("packages-not-to-be-had", "one: dnf: Error: no answer")


def test_a_mirror_that_breaks_off_ends_it(dnf: PackageInstaller, fake: FakeDnf) -> None:
    script = f'*repoquery*) printf "{OFFERS}" ;; *--downloadonly*) echo Error: cut off; exit 1 ;;'
    fake.program("dnf", f'case "$*" in {script} esac')
    with pytest.raises(PachaError) as caught:
        dnf.fetch(ORDER)
    assert (caught.value.code, caught.value.why) == ("packages-not-fetched", "dnf: Error: cut off")


def test_versions(dnf: PackageInstaller) -> None:
    fetched = dnf.fetch(replace(ORDER, exact=True))
    assert fetched.chosen.arguments == ("data.noarch", "glibc-2-1.i686", "nginx-1:1.20-1.x86_64")
    assert fetched.chosen.other_versions == ("data",)


def test_own_sources(dnf: PackageInstaller, tmp_path: Path, fake: FakeDnf) -> None:
    (tmp_path / "root/etc/yum.repos.d").mkdir(parents=True)
    (tmp_path / "root/etc/yum.repos.d/mine.repo").write_text("[mine]\nbaseurl=http://mine\n")
    fetched = dnf.fetch(replace(ORDER, own_sources=True))
    assert not [word for word in fetched.options if "reposdir" in word]
    fake.program("dnf", "exit 1")
    with pytest.raises(PachaError):
        dnf.fetch(replace(ORDER, own_sources=True))
    assert "dnf -y --refresh --repo=mine makecache" in fake.asked
