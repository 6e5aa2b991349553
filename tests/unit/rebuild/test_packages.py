"""What a rebuild does about packages, and where it does nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.machine.packages import program
from pacha.machine.packages.package_list import Manager
from pacha.rebuild import packages
from pacha.rebuild.options import PackagePolicy, RebuildOptions
from tests.support.fake_apt import FakeApt, fake_apt  # noqa: F401  (a fixture)
from tests.support.package_plans import package, planned
from tests.support.planned_packages import STAGING, fetched, plan


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
        assert packages.plan(STAGING, fetched(None), RebuildOptions(), None, other_release=False) is None
        assert fake.asked == []

    def test_nonsense_is_damage(self) -> None:
        with pytest.raises(DamagedError):
            packages.plan(STAGING, fetched(b"{"), RebuildOptions(), None, other_release=False)

    def test_the_locales_are_among_the_files_of_the_host(self) -> None:
        assert plan().recorded.files[-1].path == "/etc/locale.gen"

    def test_another_release_is_refused_but_by_name(self) -> None:
        refused = plan(PackagePolicy.INSTALL, other_release=True)
        assert not refused.installs and "another release" in refused.refusal and len(refused.concerns) == 2
        with pytest.raises(PachaError) as caught:
            packages.check(refused)
        assert caught.value.code == "packages-not-installable"
        told = plan(PackagePolicy.BY_NAME, other_release=True)
        assert told.installs and told.order.own_sources
        packages.check(told)
        packages.check(plan(None, other_release=True))  # a list is never refused

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
