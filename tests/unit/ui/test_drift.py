"""Groups of hosts in words: the diff below each group but the first, hostile lines escaped."""

from __future__ import annotations

from pacha.fleet.drift import Drift, HostGroup
from pacha.fleet.index import PathState
from pacha.ui import drift


def test_groups() -> None:
    states = [
        PathState(kind="f", mode=0o644, owner=b"root", group=b"root", size=1, content=letter * 32, stored=b"", parts=0)
        for letter in (b"a", b"b")
    ]
    groups = (
        HostGroup(hosts=("a", "b"), state=states[0]),
        HostGroup(hosts=("c",), state=states[1]),
        HostGroup(hosts=("d",)),
    )
    one = Drift(subject=b"/etc/x", groups=groups, unwatched=("e",))
    diffs = {(b"a" * 32, b"b" * 32): (b"@@ -1 +1 @@\n", b"-one\n", b"+\x1b[2J\n")}
    lines = list(drift.drift_lines(one, diffs))
    assert lines[0] == "/etc/x: 3 groups of 4 hosts"
    assert lines[3:6] == ["    @@ -1 +1 @@", "    -one", "    +\\x1b[2J"]
    assert lines[6:] == ["   1 host  nothing  d", "  not watched on 1 host:  e"]
    assert drift.drift_name(one) == "/etc/x  2 + 1 + 1"
    assert drift.drift_json(one, diffs)["groups"][1]["diff"][2] == "+\\x1b[2J"
