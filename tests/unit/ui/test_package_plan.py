"""What a person reads of packages before anything is fetched; none of it commands a terminal."""

from __future__ import annotations

import io

import pytest

from pacha.machine.packages.installer import Source
from pacha.rebuild.options import PackagePolicy
from pacha.ui.package_plan import command_lines, package_lines, wants_packages
from tests.support.package_plans import package, planned

MANY = tuple(package(f"p{number:03}", manual=True) for number in range(300))


def test_what_is_listed() -> None:
    lines = list(package_lines("bar", planned(*MANY)))
    text = "\n".join(lines)
    assert all(line.isprintable() and len(line) < 600 for line in lines)
    assert "300 packages of 'bar' not installed here: p000" in text and "and 280 more" in text
    assert "no source had: own" in text and "passed over: grub-pc" in text and "--packages install" in text


def test_the_commands_have_every_name_and_are_for_a_list() -> None:
    assert command_lines(planned(*MANY))[1].split()[2:] == [one.name for one in MANY]
    assert command_lines(planned(*MANY, policy=PackagePolicy.INSTALL)) == []
    held = planned(package("a", manual=True, held=True), package("b"))
    assert command_lines(held) == ["apt-get update", "apt-get install a", "apt-mark hold a"]


def test_what_is_trusted_is_said_before_it_is_fetched() -> None:
    text = "\n".join(package_lines("bar", planned(*MANY, policy=PackagePolicy.INSTALL)))
    assert "WITHOUT A SIGNATURE" in text and "http://x?.example.com" in text and "ab" * 32 in text
    assert "to be installed first" in text
    by_name = "\n".join(package_lines("bar", planned(*MANY, policy=PackagePolicy.BY_NAME)))
    assert "this machine's own sources" in by_name and "SIGNATURE" not in by_name


def test_no_source_and_no_key_is_passed_over() -> None:
    sources = [Source(uri=f"http://{number}.example", suites="s", path="/l") for number in range(50)]
    sources += [Source(uri="https://x/" + "y" * 300, suites="s", path="/l", unverified=True, proxy="http://p")]
    keys = [(f"/k/{number}.gpg", "ab" * 32) for number in range(50)]
    policy = PackagePolicy.INSTALL
    lines = list(package_lines("bar", planned(*MANY, policy=policy, sources=(*sources,), keys=(*keys,))))
    assert len([line for line in lines if ".example s, " in line or "the key /k/" in line]) == 100
    (line,) = [line for line in lines if "https://x/y" in line]
    assert "yyy (cut off) s" in line and "certificate NOT LOOKED AT, through http://p (/l)" in line


def test_why_nothing_can_be_installed() -> None:
    refused = planned(*MANY, policy=PackagePolicy.INSTALL, refusal="only root can install packages")
    text = "\n".join(package_lines("bar", refused))
    assert "only root" in text and "not installed here" in text and command_lines(refused)


@pytest.mark.parametrize(("answer", "expected"), [("yes\n", True), ("y\n", True), ("\n", False), ("", False)])
def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str, expected: bool) -> None:
    typed = io.StringIO(answer)
    monkeypatch.setattr("sys.stdin", typed)
    assert not wants_packages(planned(*MANY))  # nobody is at a terminal
    monkeypatch.setattr(typed, "isatty", lambda: True)
    assert wants_packages(planned(*MANY)) is expected
