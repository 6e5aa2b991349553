"""What changed between two lists of packages, in words."""

from __future__ import annotations

from pacha.machine.packages.changes import compare
from pacha.machine.packages.package_list import Manager, Package, PackageList


def listed(*packages: Package) -> PackageList:
    return PackageList(manager=Manager.APT, packages=packages, foreign_architectures=("i386",))


def package(name: str, version: str, architecture: str = "amd64", **flags: bool) -> Package:
    return Package(name=name, architecture=architecture, version=version, **flags)


def test_each_change_is_a_line() -> None:
    old = listed(
        package("curl", "1"), package("libc6", "2", "i386"), package("nginx", "1.22.1-9"), package("same", "1"),
        package("vim", "9"),
    )  # fmt: skip
    new = listed(
        package("curl", "1", manual=True, held=True), package("jq", "1.6"), package("nginx", "1.22.1-10"),
        package("same", "1"), package("vim", "9.1", available=False),
    )  # fmt: skip
    assert [str(change) for change in compare(old, new)] == [
        "curl 1, asked for, held",
        "jq 1.6 added",
        "libc6:i386 2 removed",
        "nginx 1.22.1-9 -> 1.22.1-10",
        "vim 9 -> 9.1, unavailable",
    ]
    assert compare(new, new) == ()
    assert next(str(change) for change in compare(new, old)) == "curl 1, automatic, not held"
