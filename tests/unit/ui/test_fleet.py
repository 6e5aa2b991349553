"""Hosts and states in words: safe to print, whatever a host calls things."""

from __future__ import annotations

from pacha.fleet.index import PathState
from pacha.ui import fleet


def state(**values: object) -> PathState:
    usual = {"kind": "f", "mode": 0o4755, "owner": b"root", "group": b"\x1b[31m", "size": 2048, "content": b"x" * 32}
    return PathState(**{**usual, "stored": b"x", "parts": 0, **values})  # type: ignore[arg-type]


def test_words_and_json() -> None:
    assert fleet.state_text(state()) == "-rwsr-xr-x  root:\\x1b[31m  2048 bytes  sha256 787878787878"
    link = state(kind="l", mode=0o777, content=b"\n")
    assert fleet.state_text(link).endswith("-> \\x0a") and fleet.state_json(link)["target"] == "\\x0a"
    assert fleet.state_json(state())["sha256"] == "78" * 32
    assert fleet.number_of_hosts(1) == "1 host" and fleet.number_of_hosts(2) == "2 hosts"
    assert fleet.host_list([str(n) for n in range(20)]).count(",") == 19
