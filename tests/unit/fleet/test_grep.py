"""grep: lines of the newest contents, and the hosts that lack them."""

from __future__ import annotations

import pytest

from pacha.errors import UsageError
from pacha.fleet.grep import compiled, grep, matching_lines
from pacha.fleet.update import up_to_date
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


@pytest.mark.slow
def test_the_lines_and_the_hosts_without(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        search = grep(fleet, compiled("^PermitRootLogin (no|yes)"), [hosts.path("ssh")])
        assert [(match.path, match.hosts, [line.text for line in match.lines]) for match in search.matches] == [
            (hosts.path("ssh/sshd_config"), ("web1", "web2"), [b"PermitRootLogin no"]),
            (hosts.path("ssh/sshd_config"), ("db1",), [b"PermitRootLogin yes"]),
        ]
        assert search.without == [] and search.matches[0].lines[0].number == 2
        assert grep(fleet, compiled("login yes", ignore_case=True), []).without == ["web1", "web2"]
        assert grep(fleet, compiled("login yes"), []).matches == []
        assert grep(fleet, compiled("listen"), [], ["web1"]).hosts == ("web1",)
        assert grep(fleet, compiled("welcome"), [hosts.path("ssh")]).matches == []


def test_binary_and_long_content() -> None:
    pattern = compiled("x")
    assert matching_lines(pattern, b"\0x") == [] and matching_lines(pattern, b"\0y") is None
    assert matching_lines(pattern, b"") is None
    assert len(matching_lines(pattern, b"x\n" * 5000) or []) == 1000
    ((number, text),) = matching_lines(pattern, b"\n" + b"x" * 10_000) or []
    assert number == 2 and len(text) == 4096


def test_what_is_no_expression() -> None:
    with pytest.raises(UsageError) as caught:
        compiled("(\x1b")
    assert caught.value.code == "invalid-regex" and caught.value.message.isprintable()
