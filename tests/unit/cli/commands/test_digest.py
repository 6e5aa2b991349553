"""digest: to the terminal, as JSON, by mail, as a page; each change once, and nothing when nothing changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fleet import (  # noqa: F401  (fixtures)
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)
from tests.support.mailing import Mailbox


@pytest.mark.slow
def test_terminal_and_json(master: MasterShell) -> None:
    assert "web1: new, with 5 paths (1 snapshot)" in master.run("digest")
    assert master.run("digest") == "Nothing changed.\n" and master.run("-q", "digest") == ""
    master.hosts.push("web1", {"motd": "other\n"})
    (one,) = json.loads(master.run("digest", "--json"))["hosts"]
    assert "+other" in [line for path in one["paths"] for line in path["diff"]]
    assert json.loads(master.run("digest", "--json"))["hosts"] == []
    assert "+other" not in master.run("digest", "--since", "yesterday")
    assert "web1" in master.run("digest", "--since", "1 hour ago")


@pytest.mark.slow
def test_mail(master: MasterShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox.of(tmp_path / "box", monkeypatch, f"test ! -e {tmp_path}/refuse")
    master.run("digest", "--mail", "root")
    master.hosts.push("web1", {"motd": "öther\n"})
    (tmp_path / "refuse").touch()
    (tmp_path / "box/bin/sendmail").write_text("#!/bin/sh\nexit 75\n")
    assert "mail-not-accepted" in master.both("-v", "digest", "--mail", "root", code=1)[1]
    (tmp_path / "box/bin").rename(tmp_path / "box/old")
    box = Mailbox.of(tmp_path / "box2", monkeypatch)
    master.run("digest", "--mail", "root")
    (mail,) = box.mails()
    assert "1 host changed" in mail["Subject"] and "+öther" in mail.get_content()
    assert "Nothing changed" in master.run("digest", "--mail", "root") and len(box.mails()) == 1


@pytest.mark.slow
def test_cron_has_nothing_to_mail_besides(master: MasterShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox.of(tmp_path / "box", monkeypatch)
    master.run("digest")
    master.hosts.forge("web2", lambda db: db.execute("UPDATE entry SET path = CAST('/etc/../x' AS BLOB)"))
    for _ in range(2):
        assert master.both("-q", "digest", "--mail", "root", code=3) == ("", "")
    (mail,) = box.mails()
    assert "web2: " in mail.get_content()
    assert "web2: " in master.both("digest", "--mail", "root", code=3)[1]


def test_page(master: MasterShell, tmp_path: Path) -> None:
    master.run("digest", "--html", tmp_path / "www")
    names = sorted(path.name for path in (tmp_path / "www").iterdir())
    assert len(names) == 3 and names[1:] == ["digests.html", "index.html"]
    assert all(names[0] in (tmp_path / "www" / name).read_text() for name in names[1:])
    assert (tmp_path / "www").stat().st_mode & 0o777 == 0o700
    master.run("digest", "--html", tmp_path / "www")
    assert len(list((tmp_path / "www").iterdir())) == 3


@pytest.mark.slow
def test_digests_and_reports_in_one_folder(master: MasterShell, tmp_path: Path) -> None:
    www = tmp_path / "www"
    for text in ("one\n", "two\n"):
        master.hosts.push("web1", {"motd": text})
        master.run("digest", "--html", www)
        master.run("report", "--html", www)
    index = (www / "index.html").read_text()
    assert "Hosts of" in index and 'href="digests.html"' in index
    assert (www / "digests.html").read_text().count('href="digest-') == 2


@pytest.mark.slow
def test_some_hosts(master: MasterShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Mailbox.of(tmp_path / "box", monkeypatch)
    master.run("digest", "--hosts", "web*", "--mail", "web-team")
    master.run("digest", "--hosts", "db*", "--html", tmp_path / "www")
    (mail,) = box.mails()
    assert "(web*): 2 hosts changed" in mail["Subject"]
    assert "db1" in "".join(path.read_text() for path in (tmp_path / "www").glob("digest-*"))
    assert "Nothing changed" in master.run("digest")


def test_usage(master: MasterShell, tmp_path: Path) -> None:
    master.run("digest", "--mail", "root", "--json", code=2)
    master.run("digest", "--mail", "-oQ/tmp", code=2)
    master.run("digest", "--since", "tomorrow", code=2)
