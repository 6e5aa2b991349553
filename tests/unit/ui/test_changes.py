"""A snapshot on the timeline: its counts, the first of what it touched, a clock that is ahead."""

from __future__ import annotations

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
    assert changes.change_json(one)["touched"][0] == {"change": "A", "name": "/x"}
