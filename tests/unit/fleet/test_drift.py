"""drift: hosts by what they have at a path, the largest group first."""

from __future__ import annotations

import os

import pytest

from pacha.errors import UsageError
from pacha.fleet import drift
from pacha.fleet.update import up_to_date
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)


def groups(found: drift.Drift) -> list[tuple[str, ...]]:
    return [group.hosts for group in found.groups]


def test_the_largest_group_first(hosts: Hosts) -> None:
    path = hosts.path("ssh/sshd_config")
    with up_to_date(hosts.hosts_path) as fleet:
        found = drift.drift_of_path(fleet, path)
        assert groups(found) == [("web1", "web2"), ("db1",)] and found.unwatched == ()
        ((key, lines),) = drift.readable_diffs(fleet, [found], []).items()
        states = [group.state for group in found.groups if group.state]
        assert key == (states[0].content, states[1].content)
        assert b"-PermitRootLogin no\n" in lines and b"+PermitRootLogin yes\n" in lines
        assert groups(drift.drift_of_path(fleet, hosts.path("nginx.conf"))) == [("db1",), ("web1",), ("web2",)]
        assert groups(drift.drift_of_path(fleet, hosts.path("motd"), ["web*"])) == [("web1", "web2")]
        with pytest.raises(UsageError) as caught:
            drift.drift_of_path(fleet, hosts.path("none"))
        assert caught.value.code == "path-on-no-host"


@pytest.mark.slow
def test_owner_and_mode_unless_only_content_counts(hosts: Hosts) -> None:
    hosts.push("web1", {"motd": "welcome\n"})
    (hosts.tree / "motd").chmod(0o600)
    hosts.push_tree("web2")
    with up_to_date(hosts.hosts_path) as fleet:
        path = hosts.path("motd")
        assert groups(drift.drift_of_path(fleet, path)) == [("db1", "web1"), ("web2",)]
        assert groups(drift.drift_of_path(fleet, path, content_only=True)) == [("db1", "web1", "web2")]


def test_what_is_below_a_folder(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        every = [hosts.path("nginx.conf"), hosts.path("ssh/sshd_config")]
        assert [found.subject for found in drift.drift_below(fleet, os.fsencode(hosts.tree))] == every
        ignoring = drift.drift_below(fleet, b"/", ignore=["nginx.*"])
        assert [found.subject for found in ignoring] == every[1:]
        assert [found.subject for found in drift.drift_below(fleet, b"/", ["web*"])] == every[:1]
        unlike = drift.drift_below(fleet, b"/", ["db1", "web1", "web2"], unlike="db1")
        assert [found.subject for found in unlike] == every
        assert [found.subject for found in drift.drift_below(fleet, b"/", unlike="web1")] == every[:1]


def test_what_is_not_watched_is_in_no_group(hosts: Hosts) -> None:
    hosts.forge("db1", lambda db: db.execute("UPDATE watched SET exclude = '[\"nginx.*\"]'"))
    with up_to_date(hosts.hosts_path) as fleet:
        found = drift.drift_of_path(fleet, hosts.path("nginx.conf"))
        assert groups(found) == [("web1",), ("web2",)] and found.unwatched == ("db1",)


@pytest.mark.slow
def test_the_versions_of_packages(hosts: Hosts, manager: FakeManager) -> None:
    for host, version in (("web1", "2"), ("web2", "3"), ("db1", "2")):
        manager.upgrade(version)
        hosts.push(host, {"motd": "welcome\n"})
    with up_to_date(hosts.hosts_path) as fleet:
        found = {one.subject: one for one in drift.drift_of_packages(fleet)}
        (nginx,) = [one for subject, one in found.items() if subject.startswith(b"nginx:")]
        assert [(group.version, group.hosts) for group in nginx.groups] == [("2", ("db1", "web1")), ("3", ("web2",))]
        assert list(drift.drift_of_packages(fleet, ["web1", "db1"])) == []


def test_a_path_must_be_absolute() -> None:
    assert drift.absolute("//etc/../etc/./x") == b"/etc/x"
    with pytest.raises(UsageError):
        drift.absolute("etc")
