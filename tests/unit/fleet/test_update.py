"""Only hosts that pushed are read again; what a host forged costs its own line and nothing else."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from pacha.errors import UsageError
from pacha.fleet import collect, update
from pacha.fleet.update import up_to_date
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts that are read from now on."""
    seen: list[str] = []
    original = update.run_as_owner

    def run(owner: os.stat_result, work: Callable[[], bytes], limits: update.AccountLimits) -> tuple[bytes, int]:
        seen.append("read")
        return original(owner, work, limits)

    monkeypatch.setattr(update, "run_as_owner", run)
    return seen


def test_only_what_is_new_is_read(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = reads(monkeypatch)
    with up_to_date(hosts.hosts_path) as fleet:
        assert [host.name for host in fleet.hosts] == ["db1", "web1", "web2"]
    assert len(seen) == 3
    with up_to_date(hosts.hosts_path):
        assert len(seen) == 3
    tip = hosts.push("web1", {"motd": "other\n"})
    with up_to_date(hosts.hosts_path) as fleet:
        assert len(seen) == 4 and {host.name: host.tip for host in fleet.hosts}["web1"] == tip


def test_the_index_is_roots_and_may_be_removed(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path) as fleet:
        before = list(fleet.index.paths())
    index = hosts.top / "hosts/.pacha/fleet.db"
    assert index.stat().st_mode & 0o777 == 0o600
    index.unlink()
    with up_to_date(hosts.hosts_path) as fleet:
        assert [path for _, path in fleet.index.paths()] == [path for _, path in before]


def test_a_host_that_is_removed_is_forgotten(hosts: Hosts) -> None:
    with up_to_date(hosts.hosts_path):
        pass
    shutil.rmtree(hosts.top / "hosts/web2")
    with up_to_date(hosts.hosts_path) as fleet:
        assert [host.name for host in fleet.hosts] == ["db1", "web1"]
        with pytest.raises(UsageError):
            fleet.choose(["web2"])
        assert [host.name for host in fleet.choose(["w*"])] == ["web1"]


def long_name(connection: sqlite3.Connection) -> None:
    path = b"/" + b"x" * 10_000_000
    connection.execute("UPDATE entry SET path = ? WHERE kind = 'f'", (path,))


FORGED: list[Callable[[sqlite3.Connection], object]] = [
    lambda db: db.execute("UPDATE entry SET path = CAST('/etc/../../x' AS BLOB) WHERE kind = 'f'"),
    lambda db: db.execute("UPDATE entry SET mode = 1 << 40"),
    lambda db: db.execute("DROP TABLE entry"),
    lambda db: db.execute("UPDATE meta SET value = char(27) || '[2J'"),
    lambda db: db.execute("CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END"),
    long_name,
]


@pytest.mark.slow
@pytest.mark.parametrize("act", FORGED)
def test_a_forged_db_costs_its_own_line(hosts: Hosts, act: Callable[[sqlite3.Connection], object]) -> None:
    hosts.forge("web2", act)
    with up_to_date(hosts.hosts_path) as fleet:
        (fault,) = fleet.faults()
        assert fault.startswith("web2: ") and fault.isprintable() and len(fault) < 500
        assert [host.name for host in fleet.choose()] == ["db1", "web1"]


def test_a_host_whose_process_dies_costs_its_own_line(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    collected = collect.collect

    def dying(hosts_path: bytes, host: str, *rest: Any) -> bytes:
        if host == "web1":
            os.kill(os.getpid(), 9)
        return collected(hosts_path, host, *rest)

    monkeypatch.setattr(collect, "collect", dying)
    with up_to_date(hosts.hosts_path) as fleet:
        assert [line.split(":")[0] for line in fleet.faults()] == ["web1"]


def test_a_link_in_the_place_of_a_host_is_not_followed(hosts: Hosts) -> None:
    shutil.move(hosts.top / "hosts/web2", hosts.top / "elsewhere")
    (hosts.top / "hosts/web2").symlink_to(hosts.top / "elsewhere")
    with up_to_date(hosts.hosts_path) as fleet:
        assert [line.split(":")[0] for line in fleet.faults()] == ["web2"]


def test_a_repository_that_is_a_link_to_anothers_is_refused(hosts: Hosts) -> None:
    shutil.rmtree(hosts.top / "hosts/web2/db")
    (hosts.top / "hosts/web2/db").symlink_to("../web1/db")
    with up_to_date(hosts.hosts_path) as fleet:
        assert [line.split(":")[0] for line in fleet.faults()] == ["web2"]


def test_a_host_without_a_snapshot_is_no_fault(hosts: Hosts) -> None:
    (hosts.top / "hosts/new").mkdir()
    with up_to_date(hosts.hosts_path) as fleet:
        assert fleet.faults() == [] and "new" not in [host.name for host in fleet.choose()]
