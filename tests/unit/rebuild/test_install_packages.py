"""An installation of packages, from beginning to end, and what ends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.machine.facts import Facts
from pacha.machine.packages import installers
from pacha.rebuild.install_packages import installing
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import PackagePolicy
from tests.support.fake_apt import FakeApt, fake_apt  # noqa: F401  (a fixture)
from tests.support.package_plans import planned
from tests.support.planned_packages import plan


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
    for place, text in (("var/lib/dpkg/alternatives/editor", "auto\n/bin/editor\n\n/bin/vim\n1\n"), ("bin/vim", "")):
        (opened / place).parent.mkdir(parents=True)
        (opened / place).write_text(text)
    (opened / "etc/passwd").write_text("ann:x:1000:1000::/home/ann:/bin/sh\n")
    with installing(made) as installation:
        assert installation is not None
        done = installation.installed([b"/etc/x"])
        assert done.done.installed == (("nginx", "2"),)
        whole = done.completed(os.fsencode(tmp_path)).done
    told = "\n".join(f"{os.fsdecode(one.path)}: {one.reason}" for one in whole.concerns)
    assert "/home/ann: " in told and "packages: not diverted" in told
    assert "update-alternatives --set editor /bin/vim" in fake.asked
    assert "the alternative java is not chosen: /bin/java is not to be had" in told
    assert "mkhomedir_helper ann" in told
    assert "the others: exim4" in told and "not to be had: own" in told
    assert "dpkg-statoverride --force-statoverride-add --update --add root root 755 /etc" in fake.asked
    assert "apt-get" in (tmp_path / "packages.txt").read_text() and not (tmp_path / "cache/p").exists()


@pytest.mark.usefixtures("opened")
def test_nothing_to_install() -> None:
    for made in (None, plan(), replace(plan(PackagePolicy.INSTALL), missing=planned().missing)):
        with installing(made) as installation:
            assert installation is None


@pytest.mark.usefixtures("opened")
def test_a_query_that_fails_ends_it_before_anything(fake: FakeApt) -> None:
    made = plan(PackagePolicy.INSTALL)
    fake.program("apt-cache", "echo broken >&2; exit 1")
    with pytest.raises(PachaError) as caught, installing(made):
        pass
    assert caught.value.code == "packages-not-installable" and caught.value.why == "apt-cache: broken"
