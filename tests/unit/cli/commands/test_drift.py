"""drift: exit code 3 when hosts differ, with a diff; whole hosts; what the configuration ignores."""

from __future__ import annotations

import json

import pytest

from tests.support.fleet import (  # noqa: F401  (fixtures)
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)


@pytest.mark.slow
def test_groups_and_a_diff(master: MasterShell) -> None:
    path = f"{master.hosts.tree}/ssh/sshd_config"
    out = master.run("drift", path, code=3)
    assert out.startswith(f"{path}: 2 groups of 3 hosts\n  2 hosts  -rw-r--r--")
    assert "    -PermitRootLogin no\n    +PermitRootLogin yes\n" in out
    assert "the same on 2 hosts" in master.run("drift", path, "web*")
    assert master.run("drift", path, "--names", code=3) == f"{path}  2 + 1\n"
    (one,) = json.loads(master.run("drift", path, "--json", code=3))["drift"]
    assert [group["hosts"] for group in one["groups"]] == [["web1", "web2"], ["db1"]]
    assert "+PermitRootLogin yes" in one["groups"][1]["diff"]


def test_whole_hosts(master: MasterShell) -> None:
    out = master.run("drift", "web1", "--like", "web2", "--names", code=3)
    assert out == f"{master.hosts.tree}/nginx.conf  1 + 1\n"
    with (master.hosts.top / "pacha.conf").open("a") as config:
        config.write("pacha.drift.ignore = nginx.*\n")
    assert master.run("drift", "web1", "--like", "web2") == ""
    assert "nginx.conf" in master.run("drift", f"{master.hosts.tree}/nginx.conf", code=3)


def test_packages_and_usage(master: MasterShell) -> None:
    master.run("drift", "--packages")
    master.run("drift", code=2)
    master.run("drift", "web1", "web2", "--like", "db1", code=2)
    master.run("drift", "/none", code=2)
