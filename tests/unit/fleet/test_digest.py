"""What changed on all hosts since it was told: each host from where it was told to; faults told once."""

from __future__ import annotations

import os
import shutil

import pytest

from pacha.errors import DamagedError, UsageError
from pacha.fleet import host_digest, update
from pacha.fleet.digest import GONE, Digest, digest
from pacha.fleet.digest_marks import HostMark, Marks
from pacha.fleet.digest_reply import NEW
from pacha.fleet.secrecy import Secrecy
from pacha.fleet.update import up_to_date
from pacha.server import retire
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)


def ask(hosts: Hosts, marks: Marks, since: float | None = None, *globs: str) -> Digest:
    with up_to_date(hosts.hosts_path) as fleet:
        return digest(fleet, marks, Secrecy(), since, globs)


@pytest.mark.slow
def test_each_change_once(hosts: Hosts) -> None:
    first = ask(hosts, Marks())
    assert [(host.host, host.kind) for host in first.hosts] == [("db1", NEW), ("web1", NEW), ("web2", NEW)]
    assert ask(hosts, first.marks).is_empty
    hosts.push("web1", {"motd": "one\n"})
    second = ask(hosts, first.marks)
    assert [host.host for host in second.hosts] == ["web1"] and second.since == first.marks.at
    hosts.push("web1", {"motd": "two\n"})
    (third,) = ask(hosts, second.marks).hosts
    assert third.paths[-1].lines[1:] == ("-one", "+two") and third.snapshots == 1
    assert ask(hosts, ask(hosts, second.marks).marks).is_empty


@pytest.mark.slow
def test_since_a_time_is_not_about_the_marks(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    assert len(ask(hosts, marks, since=1.0).hosts) == 3
    assert ask(hosts, marks, since=9e9).hosts == ()


@pytest.mark.slow
def test_a_fault_is_told_once_and_loses_nothing(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    hosts.push("web1", {"motd": "one\n"})
    folder = hosts.top / "hosts/web1/etc"
    shutil.move(hosts.top / "hosts/web1/db", hosts.top / "db")
    (hosts.top / "hosts/web1/db").symlink_to(hosts.top / "db")
    broken = ask(hosts, marks)
    assert broken.hosts == () and broken.news == ("web1",) and not broken.is_empty
    again = ask(hosts, broken.marks)
    assert again.is_empty and again.faults.keys() == {"web1"}
    (hosts.top / "hosts/web1/db").unlink()
    shutil.move(hosts.top / "db", hosts.top / "hosts/web1/db")
    whole = ask(hosts, again.marks)
    assert [host.host for host in whole.hosts] == ["web1"] and whole.faults == {} and folder.exists()
    assert any("+one" in path.lines for path in whole.hosts[0].paths)


@pytest.mark.slow
def test_a_host_that_gets_another_name_goes_on(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    hosts.push("web1", {"motd": "one\n"})
    os.rename(hosts.top / "hosts/web1", hosts.top / "hosts/www")
    moved = ask(hosts, marks)
    assert moved.faults == {} and [(host.host, host.kind) for host in moved.hosts] == [("www", "")]
    assert ask(hosts, moved.marks).is_empty and "web1" not in moved.marks.hosts
    os.rename(hosts.top / "hosts/www", hosts.top / "hosts/www2")  # and pushes nothing
    again = ask(hosts, moved.marks)
    assert again.is_empty and not again.faults and ask(hosts, again.marks).is_empty


@pytest.mark.slow
def test_a_host_that_is_gone_is_told_once_and_may_come_back(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    os.rename(hosts.top / "hosts/web1", hosts.top / "elsewhere")
    gone = ask(hosts, marks)
    assert gone.news == ("web1",) and gone.faults == {"web1": GONE}
    later = ask(hosts, gone.marks)
    assert later.is_empty and later.faults == {}
    os.rename(hosts.top / "elsewhere", hosts.top / "hosts/web1")
    hosts.push("web1", {"motd": "one\n"})
    (back,) = ask(hosts, later.marks).hosts
    assert back.kind == "" and any("+one" in path.lines for path in back.paths)
    os.rename(hosts.top / "hosts/web1", hosts.top / "elsewhere")
    assert ask(hosts, ask(hosts, later.marks).marks).news == ()
    assert ask(hosts, Marks(at=1.0, hosts={"web1": HostMark(tip=back.tip)})).news == ("web1",)


def test_a_retired_host_is_no_fault(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    retire.retire(hosts.hosts_path, "web1", "sold", now=True)
    told = ask(hosts, marks)
    assert told.is_empty and told.faults == {} and told.marks.hosts["web1"].tip == marks.hosts["web1"].tip


@pytest.mark.slow
def test_a_fault_in_other_words_is_not_new(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = ask(hosts, Marks()).marks
    hosts.push("web1", {"motd": "one\n"})
    words = iter(("at 0x1", "at 0x2", "at 0x3"))

    def damaged(*_: object) -> bytes:
        raise DamagedError(f"It is damaged {next(words)}.", code="damaged-for-a-test")

    monkeypatch.setattr(host_digest, "tell", damaged)
    monkeypatch.setattr(update, "run_as_owner", lambda owner, work, limits: (work(), 0))
    first = ask(hosts, marks)
    second = ask(hosts, first.marks)
    assert first.news == ("web1",) and first.faults != second.faults and second.is_empty


@pytest.mark.slow
def test_a_new_host(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    (hosts.top / "hosts/none").mkdir()
    assert ask(hosts, marks).is_empty  # it has not pushed
    hosts.push("new", {"motd": "x\n"})
    (told,) = ask(hosts, marks).hosts
    assert (told.host, told.kind) == ("new", NEW)


@pytest.mark.slow
def test_a_host_whose_process_ends_early(hosts: Hosts) -> None:
    marks = ask(hosts, Marks()).marks
    hosts.push("web1", {"motd": "one\n"})
    hosts.forge("web2", lambda db: db.execute("UPDATE entry SET path = CAST('/../x' AS BLOB)"))
    told = ask(hosts, marks)
    assert [host.host for host in told.hosts] == ["web1"] and told.faults.keys() == {"web2"}


@pytest.mark.slow
def test_some_hosts_leave_what_was_told_of_the_others(hosts: Hosts) -> None:
    first = ask(hosts, Marks(), None, "web*")
    assert [host.host for host in first.hosts] == ["web1", "web2"]
    assert ask(hosts, first.marks, None, "web*").is_empty
    others = ask(hosts, first.marks, None, "db*")
    assert [host.host for host in others.hosts] == ["db1"] and ask(hosts, others.marks).is_empty
    hosts.push("web1", {"motd": "one\n"})
    hosts.push("db1", {"motd": "two\n"})
    web = ask(hosts, others.marks, None, "web*")
    assert [host.host for host in web.hosts] == ["web1"] and web.since == first.until
    rest = ask(hosts, web.marks)
    assert [host.host for host in rest.hosts] == ["db1"] and rest.since == others.until
    os.rename(hosts.top / "hosts/db1", hosts.top / "elsewhere")
    assert ask(hosts, rest.marks, None, "web*").is_empty
    assert ask(hosts, rest.marks, None, "*1").news == ("db1",)
    with pytest.raises(UsageError):
        ask(hosts, rest.marks, None, "nobody")
