"""changes: one timeline, of a path or of some hosts, since a time."""

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
def test_since_path_and_hosts(master: MasterShell) -> None:
    master.hosts.push("web1", {"motd": "other\n"}, "why not")
    out = master.run("changes", "--hosts", "web1")
    assert "why not" in out and f"    M {master.hosts.tree}/motd\n" in out and "web2" not in out
    assert master.run("changes", "--since", "0 seconds ago", "/none") == ""
    changes = json.loads(master.run("changes", f"{master.hosts.tree}/nginx.conf", "--json"))["changes"]
    assert sorted(one["host"] for one in changes) == ["web1", "web1", "web2"]
    master.run("changes", "--since", "tomorrow", code=2)
    assert master.run("changes", "--hosts", "nobody", "--json", code=2) == ""
