"""grep --history: every content that a host ever had, with the snapshot that brought it in."""

from __future__ import annotations

import json
import shutil

import pytest

from pacha.errors import DamagedError, UsageError
from pacha.fleet import history_grep
from pacha.fleet.grep import compiled
from pacha.fleet.history_grep import grep_history
from pacha.fleet.update import up_to_date
from pacha.server import purge
from pacha.server.purge_choice import PurgeOrder
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


@pytest.mark.slow
def test_the_snapshot_that_brought_it_in(hosts: Hosts) -> None:
    tips = [hosts.push("web1", {"motd": text}) for text in ("token 1\n", "none\n", "token 2\n")]
    hosts.push("web1", {"other": "token 3\n"})
    with up_to_date(hosts.hosts_path) as fleet:
        found = grep_history(fleet, compiled("token [12]"), [hosts.path("motd")], ["web1"])
        assert [(match.node, match.lines[0].text) for match in found] == [
            (tips[0], b"token 1"),
            (tips[2], b"token 2"),
        ]
        assert [match.path for match in grep_history(fleet, compiled("token 3"), [], ["web1"])] == [hosts.path("other")]
        with pytest.raises(UsageError):
            grep_history(fleet, compiled("x"), [], [])


def test_a_history_that_is_gone_is_told(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        shutil.rmtree(hosts.top / "hosts/web1/etc")
        with pytest.raises(DamagedError):
            grep_history(fleet, compiled("x"), [], ["web1"])


@pytest.mark.slow
def test_what_was_purged_is_not_searched(hosts: Hosts) -> None:
    for text in ("token 1\n", "token 2\n"):
        hosts.push("web1", {"motd": text})
    order = PurgeOrder(paths=(hosts.path("motd"),))
    planned = purge.plan(hosts.hosts_path, "web1", order)
    purge.carry_out(hosts.hosts_path, "web1", order, planned, limits="", why="")
    with up_to_date(hosts.hosts_path) as fleet:
        [found] = grep_history(fleet, compiled("token"), [], ["web1"])
    assert found.lines[0].text == b"token 2"


@pytest.mark.parametrize(
    "match",
    [
        [1, "a" * 40, 1.0, []], ["/a", "\x1b[31m", 1.0, []], ["/a", "a" * 40, 1.0, [[float("inf"), "x"]]],
        ["/a", "a" * 40, 1.0, [[1]]], ["\N{EURO SIGN}", "a" * 40, 1.0, []], ["/a", "a" * 40, "1", []],
    ],
)  # fmt: skip
def test_a_match_that_makes_no_sense(hosts: Hosts, monkeypatch: pytest.MonkeyPatch, match: list[object]) -> None:
    reply = json.dumps([match]).encode("ascii")
    monkeypatch.setattr(history_grep, "run_as_owner", lambda owner, work, limits: (reply, 0))
    with up_to_date(hosts.hosts_path) as fleet, pytest.raises(DamagedError) as caught:
        grep_history(fleet, compiled("x"), [], ["web1"])
    assert caught.value.code == "history-not-searched"
