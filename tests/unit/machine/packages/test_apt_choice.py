"""apt gets only names that it knows, in a form that it takes for nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacha.machine.packages.apt_choice import Chosen, choose
from pacha.machine.packages.package_list import Package
from tests.support.fake_apt import FakeApt

#: apt-cache(8) as far as it is asked.
CACHE = r"""
case "$*" in
*pkgnames*) printf 'nginx\ng++\nheld\nbad\nforeign\n' ;;
*) printf 'Package: nginx\nArchitecture: amd64\nVersion: 2\n\nPackage: nginx\nArchitecture: amd64\nVersion: 1\n\n'
   printf 'Package: g++\nVersion: 4\nArchitecture: amd64\n\nPackage: held\nArchitecture: all\nVersion: 3\n\n'
   printf 'Package: bad\nVersion: 4\nArchitecture: amd64\n\nPackage: g\nVersion: 4\nArchitecture: amd64\n\n' ;;
esac
"""


@pytest.fixture(name="apt")
def fake_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApt:
    fake = FakeApt(tmp_path / "bin", monkeypatch)
    fake.program("apt-cache", CACHE)
    return fake


def wanted(*names: str, version: str = "1", held: bool = False, of: str = "amd64") -> list[tuple[Package, str]]:
    return [(Package(name=name, architecture=of, version=version, held=held), of) for name in names]


def test_what_is_known_gets_its_architecture_and_the_rest_is_named(apt: FakeApt) -> None:
    chosen = choose([], wanted("nginx", "g++", "nginx-", "g.+", "gone", "foreign"), exact=False)
    assert chosen == Chosen(arguments=("nginx:amd64", "g++:amd64"), not_to_be_had=("foreign", "g.+", "gone", "nginx-"))
    assert apt.asked[1:] == [
        "apt-cache show --all-versions nginx:amd64 g++:amd64 foreign:amd64",
        "apt-get -q -y --no-install-recommends --simulate --reinstall install nginx:amd64 g++:amd64",
    ]


def test_a_version_where_it_is_held_or_asked_for(apt: FakeApt) -> None:
    assert choose([], wanted("nginx", held=True), exact=False).arguments == ("nginx:amd64=1",)
    chosen = choose([], [*wanted("nginx"), *wanted("held", version="2")], exact=True)
    assert chosen == Chosen(arguments=("nginx:amd64=1", "held:amd64"), other_versions=("held",))


@pytest.mark.parametrize("architecture", ["amd64-", "amd64+", ""])
def test_an_architecture_that_ends_in_a_sign_would_be_a_command(apt: FakeApt, architecture: str) -> None:
    apt.program("apt-cache", CACHE.replace("amd64", architecture or "x"))
    chosen = choose([], wanted("nginx", of=architecture), exact=False)
    assert chosen == Chosen(not_to_be_had=("nginx",))


@pytest.mark.parametrize("version", ["1-", "1+"])
def test_so_would_such_a_version(apt: FakeApt, version: str) -> None:
    apt.program("apt-cache", CACHE.replace("Version: 1", f"Version: {version}"))
    assert choose([], wanted("nginx", version=version), exact=True).arguments == ("nginx:amd64",)


def test_one_that_cannot_be_installed_keeps_no_other_away(apt: FakeApt) -> None:
    apt.program("apt-get", 'case "$*" in *bad*) echo E: unmet >&2; exit 100 ;; esac')
    chosen = choose([], wanted("nginx", "bad", "g++", "held"), exact=False)
    assert chosen == Chosen(arguments=("nginx:amd64", "g++:amd64", "held:amd64"), not_to_be_had=("bad",))


def test_what_would_remove_a_package_of_this_machine_is_named_with_it(apt: FakeApt) -> None:
    """By the lines of the simulation, and only where removing is all that keeps it away."""
    refuses = "*Remove=true*bad*) printf 'Inst x\\nRemv exim4 [4]\\nRemv exim4-base [4]\\nConf bad\\n' ;;"
    apt.program("apt-get", f'case "$*" in {refuses} *bad*|*g++*) echo E: unmet >&2; exit 100 ;; esac')
    chosen = choose([], wanted("nginx", "bad", "g++"), exact=False)
    assert chosen == Chosen(
        arguments=("nginx:amd64",), not_to_be_had=("g++",), conflicts=(("bad", ("exim4", "exim4-base")),)
    )


def test_nothing_is_asked_for_nothing(apt: FakeApt) -> None:
    assert choose([], [], exact=False) == Chosen() and apt.asked == []


@pytest.mark.slow
def test_the_search_for_what_fits_ends(apt: FakeApt) -> None:
    names = [f"p{number}" for number in range(150)]
    records = "".join(f"Package: {name}\\nVersion: 1\\nArchitecture: amd64\\n\\n" for name in names)
    apt.program("apt-cache", f"case $* in *pkgnames*) echo {' '.join(names)} ;; *) printf '{records}' ;; esac")
    apt.program("apt-get", "exit 100")
    assert choose([], wanted(*names), exact=False).arguments == ()
    assert len(apt.asked) <= 252


def test_held_in_any_architecture(apt: FakeApt) -> None:
    pair = (replace(wanted("held")[0][0], architecture="all"), "amd64")
    assert choose([], [pair], exact=False).arguments == ("held:amd64",)
