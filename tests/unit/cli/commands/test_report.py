"""report: pages of all hosts and of each, without contents; those of hosts that are gone go as well."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.fleet import (  # noqa: F401  (fixtures)
    MasterShell,
    hosts_as_pushed,
    loaded,
    master_shell,
    three_hosts,
)


def test_pages(master: MasterShell, tmp_path: Path) -> None:
    www = tmp_path / "www"
    master.hosts.push("web1", {"motd": "a content\n", "key": "x"}, "why not")
    master.run("report", "--html", www, "--drift", f"{master.hosts.tree}/motd")
    names = {path.name for path in www.iterdir()}
    assert names == {"index.html", "drift.html", "host-web1.html", "host-web2.html", "host-db1.html"}
    assert www.stat().st_mode & 0o777 == 0o700
    page = (www / "host-web1.html").read_text()
    assert f"{master.hosts.tree}/motd" in page and "why not" in page
    assert not any("a content" in path.read_text() for path in www.iterdir())
    shutil.rmtree(master.hosts.top / "hosts/db1")
    (www / "mine.html").write_text("")
    master.run("report", "--html", www)
    assert {path.name for path in www.iterdir()} == names - {"host-db1.html", "drift.html"} | {"mine.html"}


def test_usage(master: MasterShell, tmp_path: Path) -> None:
    master.run("report", code=2)
    master.run("report", "--html", tmp_path / "www", "--drift", "etc", code=2)
    assert not (tmp_path / "www").exists()


def test_a_host_that_cannot_be_read_is_on_the_page(master: MasterShell, tmp_path: Path) -> None:
    """With -q there alone: cron would mail it each half an hour."""
    (master.hosts.top / "hosts/db1/db/.hg/store/00changelog.i").write_bytes(b"damaged" * 20)
    words = ["report", "--html", tmp_path / "www"]
    assert "db1: " in master.both(*words, code=3)[1]
    assert master.both("-q", *words, code=3) == ("", "")
    assert "Not to be read" in (tmp_path / "www/index.html").read_text()
