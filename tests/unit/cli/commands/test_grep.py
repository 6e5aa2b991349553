"""grep: lines, hosts without, names alone, and the history of one host."""

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
def test_lines_names_and_hosts_without(master: MasterShell) -> None:
    tree = master.hosts.tree
    out = master.run("grep", "^PermitRootLogin yes", tree)
    assert out.splitlines() == [f"{tree}/ssh/sshd_config  1: db1", "  2: PermitRootLogin yes"]
    assert master.run("grep", "--without", "^PermitRootLogin yes").splitlines() == ["web1", "web2"]
    assert master.run("grep", "-l", "-i", "LISTEN", "--hosts", "web1,db1").splitlines() == [f"web1:{tree}/nginx.conf"]
    answer = json.loads(master.run("grep", "--json", "listen"))
    assert [match["hosts"] for match in answer["matches"]] == [["web1"], ["web2"]] and answer["without"] == ["db1"]
    master.run("grep", "(", code=2)
    master.run("grep", "x", "etc", code=2)


def test_the_history_of_one_host(master: MasterShell) -> None:
    tip = master.hosts.push("web1", {"motd": "\x1b[31mred\n"})
    out = master.run("grep", "--history", "red", "--hosts", "web1")
    assert tip[:12] in out and "\\x1b[31mred" in out
    (match,) = json.loads(master.run("grep", "--history", "red", "--hosts", "web1", "--json"))["matches"]
    assert match["snapshot"]["id"] == tip
    master.run("grep", "--history", "red", code=2)
