"""Each distinct content is read once, and from another host where one does not give what it should have."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable

import pytest

from pacha.fleet import contents as fleet_contents
from pacha.fleet.contents import Contents
from pacha.fleet.drift import drift_of_path, readable_diffs
from pacha.fleet.find import find
from pacha.fleet.grep import compiled, grep
from pacha.fleet.update import Fleet, up_to_date
from pacha.server.host_account import AccountLimits
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def contents(fleet: Fleet, glob: str) -> Contents:
    found = [one for one in find(fleet, glob) if one.state.kind == "f"]
    return Contents(fleet, found, {host.name: fleet.index.watched(host.id) for host in fleet.hosts})


def test_each_distinct_content_once(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        read = contents(fleet, "*")
        texts = [text for _, text in read.each(lambda data: data.decode(), str)]
        assert sorted(texts) == [
            "Port 22\nPermitRootLogin no\n", "Port 22\nPermitRootLogin yes\n", "listen 80\n", "listen 8080\n",
            "welcome\n",
        ]  # fmt: skip
        assert read.faults == {}


@pytest.mark.slow
def test_another_host_is_asked(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        shutil.rmtree(hosts.top / "hosts/web1/etc")
        read = contents(fleet, "sshd_config")
        assert len(list(read.each(len, int))) == 2
        lost = contents(fleet, "nginx.conf")
        assert [answer for _, answer in lost.each(len, int)] == [len("listen 8080\n")]
        assert "web1" in lost.faults


@pytest.mark.parametrize("answer", [1, [1], [["x", "a"]], [[float("inf"), "a"]], "\N{EURO SIGN}"])
def test_an_answer_that_makes_no_sense(hosts: Hosts, monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    original = fleet_contents.run_as_owner

    def run(owner: os.stat_result, work: Callable[[], bytes], limits: AccountLimits) -> tuple[bytes, int]:
        reply, status = original(owner, work, limits)
        return json.dumps([(sha, answer) for sha, _ in json.loads(reply)]).encode("ascii"), status

    monkeypatch.setattr(fleet_contents, "run_as_owner", run)
    with up_to_date(hosts.hosts_path) as fleet:
        search = grep(fleet, compiled("Port"), [])
        assert search.matches == [] and len(search.faults) == len(fleet.hosts)
        faults: list[str] = []
        diffs = readable_diffs(fleet, [drift_of_path(fleet, hosts.path("ssh/sshd_config"))], faults)
        assert diffs == {} and faults
