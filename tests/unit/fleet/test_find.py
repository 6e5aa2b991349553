"""find: a name on all hosts, and what each has there."""

from __future__ import annotations

import pytest

from pacha.errors import UsageError
from pacha.fleet.find import find
from pacha.fleet.update import up_to_date
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def test_by_name_and_by_path(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        found = list(find(fleet, "*.conf"))
        assert [(one.path, one.hosts) for one in found] == [
            (hosts.path("nginx.conf"), ("web1",)),
            (hosts.path("nginx.conf"), ("web2",)),
        ]
        (one,) = find(fleet, "motd")
        assert one.hosts == ("db1", "web1", "web2") and one.state.kind == "f" and one.state.size == 8
        assert list(find(fleet, "nothing*")) == []
        assert [found.hosts for found in find(fleet, f"{hosts.tree}/ssh/*", ["web*"])] == [("web1", "web2")]
        with pytest.raises(UsageError):
            list(find(fleet, "motd", ["mail*"]))
