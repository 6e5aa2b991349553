"""changes: the snapshots of all hosts in the order of their times."""

from __future__ import annotations

import time

from pacha.fleet.changes import changes
from pacha.fleet.update import up_to_date
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def test_one_timeline(hosts: Hosts) -> None:
    hosts.push("web1", {"motd": "other\n"}, "why")
    now = time.time()
    with up_to_date(hosts.hosts_path) as fleet:
        found = list(changes(fleet, 0, now))
        assert len(found) == 4 and [one.at for one in found] == sorted(one.at for one in found)
        (newest,) = [one for one in found if one.message]
        assert newest.host == "web1" and newest.message == "why" and not newest.ahead
        assert ("M", f"{hosts.tree}/motd") in (newest.touched or ())
        assert [one.host for one in changes(fleet, 0, now, ["db*"])] == ["db1"]
        of_nginx = list(changes(fleet, 0, now, (), hosts.path("nginx.conf")))
        assert sorted(one.host for one in of_nginx) == ["web1", "web1", "web2"]
        assert {name for one in of_nginx for _, name in one.touched or ()} == {f"{hosts.tree}/nginx.conf"}
        assert list(changes(fleet, now + 3600, now)) == []


def test_only_the_first_names(hosts: Hosts) -> None:
    now = time.time()
    with up_to_date(hosts.hosts_path) as fleet:
        for most in (0, 1, 3, 5, 6, 100):
            for whole, first in zip(changes(fleet, 0, now), changes(fleet, 0, now, most=most), strict=True):
                assert first.counts == whole.counts and whole.left_out == {}
                assert first.touched == (whole.touched or ())[:most]


def test_a_forged_snapshot_is_shown_as_what_it_is(hosts: Hosts) -> None:
    hosts.forge("web2", lambda db: db.execute("UPDATE entry SET mode = 448"), at=9e9)
    with up_to_date(hosts.hosts_path) as fleet:
        *_, last = changes(fleet, 0, time.time())
        assert last.host == "web2" and last.ahead
        assert last.user.isprintable() and last.message.isprintable()
