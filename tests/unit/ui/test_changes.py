"""A snapshot on the timeline: its counts, the first of what it touched, a clock that is ahead."""

from __future__ import annotations

import json

from pacha.fleet.changes import HostSnapshot
from pacha.ui import changes


def snapshot(*touched: tuple[str, str]) -> HostSnapshot:
    return HostSnapshot(
        host="bar", node="a" * 40, at=0.0, user="root@bar", message="why\nnot", touched=touched, ahead=True
    )


def test_lines_and_json() -> None:
    one = snapshot(("A", "/x"), ("P", "nginx 1 -> 2"))
    head, *rest = changes.change_lines(one)
    assert "bar  1 added, 1 package, by root@bar: why (its clock is ahead of this one)" in head
    assert rest == ["    A /x", "    P nginx 1 -> 2"]
    many = snapshot(*[("M", f"/{number}") for number in range(20)])
    assert len(list(changes.change_lines(many))) == 14 and len(list(changes.change_lines(many, every=True))) == 21
    for several in ([], [one], [one, many]):
        told = json.loads("\n".join(changes.document(several, ["web2: forged"])))
        assert told["faults"] == ["web2: forged"] and len(told["changes"]) == len(several)
        assert not several or told["changes"][0]["touched"][0] == {"change": "A", "name": "/x"}


def test_json_is_told_snapshot_by_snapshot() -> None:
    told = changes.document((snapshot() for _ in range(10**9)), [])
    assert next(told) == '{"changes": [' and json.loads(next(told)) == json.loads(next(told).removeprefix(","))
