"""What a rebuild does about packages, and where it does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.fetch.staging import Fetched
from pacha.machine.facts import Facts
from pacha.machine.packages import installers, program
from pacha.machine.packages.package_list import Manager, Package, PackageList, encode
from pacha.rebuild import packages
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import PackagePolicy, RebuildOptions
from pacha.store.revision import Note
from pacha.store.snapshot import Snapshot
from tests.support.fake_apt import FakeApt
from tests.support.package_plans import package, planned

RECORDED = PackageList(manager=Manager.APT, packages=(package("nginx"), package("own", available=False)))
STAGING: Any = SimpleNamespace(
    spool=SimpleNamespace(places={b"/etc/locale.gen": (0, 0, 0)}, bytes_of=lambda path: b"de_DE.UTF-8 UTF-8\n")
)


@pytest.fixture(name="fake")
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    fake = FakeApt(tmp_path / "bin", monkeypatch)
    fake.program("dpkg", "echo amd64")
    return fake


def fetched(text: bytes | None = encode(RECORDED)) -> Fetched:
    companions = {} if text is None else {"packages": text}
    note = Note("", "root@bar", 1.0)
    return Fetched(
        snapshot=Snapshot(), tip="", note=note, changelog="", files=0, size=0, seconds=0, companions=companions
    )


def plan(policy: PackagePolicy | None = None, machines: Machines | None = None, **more: Any) -> Any:
    return packages.plan(STAGING, fetched(), RebuildOptions(packages=policy, **more), None, machines)


@pytest.mark.usefixtures("fake")
class TestPlan:
    """The plan of what is done."""

    def test_it_is_a_list_unless_something_else_is_said(self) -> None:
        made = plan()
        assert made.policy is PackagePolicy.LIST and not made.installs and made.asks and made.concerns == ()
        assert [one.name for one in made.missing.wanted] == ["nginx"]
        assert plan(PackagePolicy.INSTALL).installs

    def test_nothing_is_looked_at(self, tmp_path: Path, fake: FakeApt) -> None:
        assert plan(PackagePolicy.NONE) is None and plan(target=bytes(tmp_path)) is None
        assert packages.plan(STAGING, fetched(None), RebuildOptions(), None, None) is None
        assert fake.asked == []

    def test_nonsense_is_damage(self) -> None:
        with pytest.raises(DamagedError):
            packages.plan(STAGING, fetched(b"{"), RebuildOptions(), None, None)

    def test_the_locales_are_among_the_files_of_the_host(self) -> None:
        assert plan().recorded.files[-1].path == "/etc/locale.gen"

    def test_another_release_is_refused_but_by_name(self) -> None:
        machines = Machines(
            recorded=Facts(distribution="debian", version="12"), here=Facts(distribution="debian", version="13")
        )
        refused = plan(PackagePolicy.INSTALL, machines)
        assert not refused.installs and "another release" in refused.refusal and len(refused.concerns) == 2
        with pytest.raises(PachaError) as caught:
            packages.check(refused)
        assert caught.value.code == "packages-not-installable"
        told = plan(PackagePolicy.BY_NAME, machines)
        assert told.installs and told.order.own_sources
        packages.check(told)
        packages.check(plan(None, machines))  # a list is never refused

    def test_no_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        assert "only root" in plan(PackagePolicy.INSTALL).refusal and not plan().asks

    def test_a_system_below_a_target_is_listed(self, tmp_path: Path) -> None:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/passwd").touch()
        made = plan(PackagePolicy.INSTALL, target=bytes(tmp_path))
        assert "--target" in made.refusal and made.missing.wanted

    def test_another_manager(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(program, "PATH", str(tmp_path))
        assert plan().refusal == "this machine has no apt" and len(plan().missing.wanted) == 1

    def test_a_query_that_fails(self, fake: FakeApt) -> None:
        fake.program("dpkg-query", "echo it is broken >&2; exit 2")
        assert plan().refusal == "dpkg-query: it is broken"


def test_a_person_says_whether() -> None:
    asked = planned(package("nginx"))
    options = RebuildOptions()
    for answer, policy in ((True, PackagePolicy.INSTALL), (False, PackagePolicy.LIST)):
        chosen = packages.chosen(asked, options, lambda answer=answer: answer)  # type: ignore[misc]
        assert chosen is not None and chosen.policy is policy
    assert packages.chosen(asked, replace(options, packages=PackagePolicy.LIST), lambda: True) is asked
    assert packages.chosen(planned(), options, lambda: True) == planned()
    assert packages.chosen(None, options, lambda: True) is None


def test_commands_for_another_manager() -> None:
    made = planned(package("a"), package("b", manual=True))
    dnf = replace(made, recorded=replace(made.recorded, manager=Manager.DNF))
    assert packages.commands(dnf) == ["dnf install b"] and packages.commands(planned()) == []


@pytest.fixture(name="opened")
def opened_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: FakeApt) -> Iterator[Path]:
    opened, root = installers.opened, tmp_path / "root"
    (root / "usr/sbin").mkdir(parents=True)
    (root / "etc").mkdir()
    monkeypatch.setattr(installers, "opened", lambda manager: opened(manager, tmp_path / "cache/p", root))
    yield root


def test_an_installation_from_beginning_to_end(opened: Path, fake: FakeApt, tmp_path: Path) -> None:
    record = r"Package: nginx\nArchitecture: amd64\nVersion: 2\n"
    fake.program("apt-cache", f"case $* in *pkgnames*) echo nginx ;; *) printf '{record}' ;; esac")
    fake.program("dpkg-query", 'printf "exim4\\t4\\tamd64\\tinstall\\tinstalled\\n"')
    made = replace(plan(PackagePolicy.INSTALL), machines=Machines(
        recorded=Facts(statoverrides=("root root 755 /etc",), diversions=("/usr/a -> /usr/b",)), here=Facts(),
    ))  # fmt: skip
    fake.program("dpkg-query", 'printf "nginx\\t2\\tamd64\\tinstall\\tinstalled\\n"')
    (opened / "etc/passwd").write_text("ann:x:1000:1000::/home/ann:/bin/sh\n")
    with packages.installing(made) as installation:
        assert installation is not None
        done = installation.installed([b"/etc/x"])
        assert done.done.installed == (("nginx", "2"),)
        whole = done.completed(os.fsencode(tmp_path)).done
    told = "\n".join(f"{os.fsdecode(one.path)}: {one.reason}" for one in whole.concerns)
    assert "/home/ann: " in told and "packages: not diverted" in told
    assert "the others: exim4" in told and "not to be had: own" in told
    assert "dpkg-statoverride --force-statoverride-add --update --add root root 755 /etc" in fake.asked
    assert "apt-get" in (tmp_path / "packages.txt").read_text() and not (tmp_path / "cache/p").exists()


@pytest.mark.usefixtures("opened")
def test_nothing_to_install() -> None:
    for made in (None, plan(), replace(plan(PackagePolicy.INSTALL), missing=planned().missing)):
        with packages.installing(made) as installation:
            assert installation is None


@pytest.mark.usefixtures("opened")
def test_a_query_that_fails_ends_it_before_anything(fake: FakeApt) -> None:
    made = plan(PackagePolicy.INSTALL)
    fake.program("apt-cache", "echo broken >&2; exit 1")
    with pytest.raises(PachaError) as caught, packages.installing(made):
        pass
    assert caught.value.code == "packages-not-installable" and caught.value.why == "apt-cache: broken"
    assert isinstance(made.recorded.packages[0], Package)
