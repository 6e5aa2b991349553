"""ls: what a snapshot has at a path."""

from __future__ import annotations

import json

from tests.support.fleet import (  # noqa: F401  (fixtures)
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)


def test_of_a_host_and_at_a_time(master: MasterShell) -> None:
    tree = master.hosts.tree
    assert [line.split()[-1] for line in master.run("ls", "web1").splitlines()] == [str(tree)]
    names = [line.split()[-1] for line in master.run("ls", "web1", tree).splitlines()]
    assert names == [f"{tree}/{name}" for name in ("motd", "nginx.conf", "ssh")]
    assert len(master.run("ls", "web1", tree, "-r").splitlines()) == 4
    (entry,) = json.loads(master.run("ls", "db1", f"{tree}/motd", "--json"))
    assert entry["path"] == f"{tree}/motd" and entry["size"] == 8
    before = json.loads(master.run("log", "web1", "--json"))[0]["id"]
    master.hosts.push("web1", {"motd": "other\n"})
    assert "nginx" not in master.run("ls", "web1", tree) and "nginx" in master.run("ls", "web1", tree, "--at", before)
    master.run("ls", "web1", "/none", code=2)
    master.run("ls", "web1", "web2", code=2)
