"""Each distinct content is read once, and from another host where one does not give what it should have."""

from __future__ import annotations

import shutil

import pytest

from pacha.fleet.contents import Contents
from pacha.fleet.find import find
from pacha.fleet.update import Fleet, up_to_date
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def contents(fleet: Fleet, glob: str) -> Contents:
    found = [one for one in find(fleet, glob) if one.state.kind == "f"]
    return Contents(fleet, found, {host.name: fleet.index.watched(host.id) for host in fleet.hosts})


def test_each_distinct_content_once(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        read = contents(fleet, "*")
        texts = [text for _, text in read.each(lambda data: data.decode())]
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
        assert len(list(read.each(len))) == 2
        lost = contents(fleet, "nginx.conf")
        assert [answer for _, answer in lost.each(len)] == [len("listen 8080\n")]
        assert "web1" in lost.faults
