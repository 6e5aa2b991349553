"""What was told to dpkg comes back by its own programs, and nothing else reaches their command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.machine.packages import dpkg_local


def test_an_override_for_a_file_that_is_here(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").touch()
    lines = ["root #12 4755 /bin/tool", "root root 0755 /bin/none", "a b 755 /bin/tool"]
    assert dpkg_local.overrides(lines, ["a b 755 /bin/tool"], tmp_path) == [
        ["dpkg-statoverride", "--force-statoverride-add", "--update", "--add", "root", "#12", "4755", "/bin/tool"]
    ]


@pytest.mark.parametrize(
    "line",
    [
        "--remove root 755 /bin",
        "root root 99 /bin",
        "root root 755 bin",
        "root root 755 /x/../bin",
        "root root 755 /b\x1b",
        "",
    ],
)
def test_a_forged_override_is_passed_over(line: str) -> None:
    assert dpkg_local.overrides([line], []) == []


def test_a_diversion_only_where_what_replaces_the_file_comes_back() -> None:
    lines = [
        "/etc/a -> /etc/a.distrib",
        "/usr/bin/b -> /usr/bin/b.real",
        "/etc/c -> /etc/c.distrib",
        "/../x -> /y",
        "nonsense",
    ]
    commands, left = dpkg_local.diversions(lines, ["/etc/c -> /etc/c.distrib"], {"/etc/a", "/etc/c"})
    assert commands == [["dpkg-divert", "--local", "--rename", "--divert", "/etc/a.distrib", "--add", "/etc/a"]]
    assert left == ["/usr/bin/b -> /usr/bin/b.real"]
