"""find: paths of a name on all hosts, as lines and as JSON."""

from __future__ import annotations

import json
import shutil

from tests.support.fleet import (  # noqa: F401  (fixtures)
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)


def test_lines_and_json(master: MasterShell) -> None:
    out = master.run("find", "nginx.*")
    assert len(out.splitlines()) == 2 and "1: web1" in out
    found = json.loads(master.run("find", "motd", "--json"))
    assert [one["hosts"] for one in found["found"]] == [["db1", "web1", "web2"]] and found["faults"] == []
    master.run("find", "motd", "--hosts", "none", code=2)


def test_a_host_that_cannot_be_read_is_named(master: MasterShell) -> None:
    shutil.rmtree(master.hosts.top / "hosts/web1/db/.hg/store/data")
    out, err = master.both("find", "motd", code=3)
    assert "2: db1, web2" in out and "web1" in err
