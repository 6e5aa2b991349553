"""What one host changed between two snapshots."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.files.entry import Entry
from pacha.fleet import digest_reply, host_digest, secrecy
from pacha.fleet.digest_reply import NEW, REPLACED, HostDigest, PathChange
from pacha.fleet.host_digest import DigestBase
from pacha.fleet.secrecy import Secrecy
from pacha.history.reader import History
from pacha.store.snapshot import Snapshot
from tests.support.fleet import Hosts, hosts_as_pushed, three_hosts  # noqa: F401  (fixtures)

FILES = {"motd": "welcome\n", "ssh/sshd_config": "Port 22\n", "nginx.conf": "listen 80\n"}


def tell(hosts: Hosts, base: DigestBase, host: str = "web1") -> HostDigest:
    scratch = hosts.top / "scratch"
    scratch.mkdir(exist_ok=True)
    return digest_reply.decode(host, host_digest.tell(hosts.hosts_path, host, scratch, base, Secrecy()))


def by_name(told: HostDigest) -> dict[str, PathChange]:
    return {os.path.basename(path.path): path for path in told.paths}


def test_a_diff_by_path(hosts: Hosts) -> None:
    base = hosts.push("web1", {**FILES, "binary": b"\0a"})
    hosts.push(
        "web1", {"motd": "hi\x1b[2J\n", "ssh/sshd_config": "Port 22\n", "new": "a\nb\n", "binary": b"\0b"}, "why"
    )
    told = tell(hosts, DigestBase(mark=base))
    paths = by_name(told)
    assert {name: path.letter for name, path in paths.items()} | {"sshd_config": "m"} == {
        "motd": "M", "new": "A", "nginx.conf": "R", "binary": "M", "sshd_config": "m",
    }  # fmt: skip
    assert paths["motd"].lines[1:] == ("-welcome", "+hi\\x1b[2J")
    assert paths["new"].lines[1:] == ("+a", "+b") and paths["nginx.conf"].lines[1:] == ("-listen 80",)
    assert paths["binary"].hidden == "binary" and paths["binary"].lines == ()
    assert told.counts["changed"] == 2 and told.snapshots == 1 and told.notes[0].message == "why"


def test_nothing_changed(hosts: Hosts) -> None:
    tip = hosts.push("web1", FILES)
    told = tell(hosts, DigestBase(mark=tip))
    assert told.snapshots == 0 and told.paths == () and told.tip == tip


def test_changed_and_changed_back(hosts: Hosts) -> None:
    base = hosts.push("web1", FILES)
    hosts.push("web1", {**FILES, "motd": "evil\n", "passing": "x"})
    hosts.push("web1", FILES)
    told = tell(hosts, DigestBase(mark=base))
    assert [os.path.basename(name) for name in told.back] == ["motd", "passing"]
    assert "passing" not in by_name(told) and told.snapshots == 2


def test_new_replaced_and_by_time(hosts: Hosts) -> None:
    old = hosts.push("web1", FILES)
    assert tell(hosts, DigestBase()).kind == NEW and tell(hosts, DigestBase(others=frozenset(["b" * 40]))).kind == NEW
    assert tell(hosts, DigestBase(mark="b" * 40, since=9e9)).kind == REPLACED
    assert tell(hosts, DigestBase(others=frozenset([old]))).kind == ""
    assert tell(hosts, DigestBase(since=9e9)).snapshots == 0 and tell(hosts, DigestBase(since=1.0)).kind == NEW


@pytest.mark.slow
def test_what_is_secret_does_not_leave_the_process(hosts: Hosts, tmp_path: Path) -> None:
    base = hosts.push("web1", {**FILES, "private": "canary-a\n", "was-open": "canary-b\n"})
    hosts.push("web1", {**FILES, "id_rsa": "canary-c\n", "closed/x": "y", "key": "y"})
    tree = hosts.tree
    (tree / "private").write_text("canary-d\n")
    (tree / "was-open").write_text("canary-e\n")
    (tree / "was-open").chmod(0o600)
    (tree / "closed/in").write_text("canary-f\n")
    (tree / "closed/link").symlink_to("canary-g")
    (tree / "closed").chmod(0o700)
    (tree / "conf").write_text("-----BEGIN PRIVATE KEY-----\ncanary-h\n")
    (tree / "app.conf").write_text("password = canary-i\nport = 80\n")
    (tree / "key").write_text("canary-j")
    hosts.push_tree("web1")
    reply = host_digest.tell(hosts.hosts_path, "web1", tmp_path, DigestBase(mark=base), Secrecy(["private"]))
    assert b"canary" not in reply and b"port = 80" in reply
    paths = by_name(digest_reply.decode("web1", reply))
    assert paths["was-open"].hidden == secrecy.BY_MODE and "mode 0644 -> 0600" in paths["was-open"].words
    assert paths["in"].hidden == paths["link"].hidden == secrecy.BY_FOLDER
    assert paths["private"].hidden == secrecy.BY_RULE and paths["conf"].hidden == secrecy.BY_CONTENT


def test_what_is_too_much_is_counted(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    base = hosts.push("web1", FILES)
    monkeypatch.setattr(host_digest, "_MOST_PATHS", 6)
    monkeypatch.setattr(host_digest, "_MOST_LINES", 5)
    hosts.push("web1", {**FILES, "a": "x\n" * 50, "b": "y" * 5000, "c": "1", "d": "2", "e": "3"})
    told = tell(hosts, DigestBase(mark=base))
    assert len(told.paths) == 6 and told.left_out == 2 and told.counts["added"] == 5
    paths = by_name(told)
    assert len(paths["a"].lines) == 5 and paths["a"].cut == 46 and max(map(len, paths["b"].lines)) == 500


def test_content_that_is_gone_costs_its_own_path(hosts: Hosts) -> None:
    base = hosts.push("web1", FILES)
    hosts.push("web1", {**FILES, "nginx.conf": "listen 81\n"})
    hosts.forge(
        "web1", lambda db: db.execute("UPDATE entry SET sha256 = zeroblob(32) WHERE CAST(path AS TEXT) LIKE '%motd'")
    )
    paths = by_name(tell(hosts, DigestBase(mark=base)))
    assert "cannot be read" in paths["motd"].hidden and paths["nginx.conf"].lines


def test_no_content_is_read_that_will_not_be_shown(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    base = hosts.push("web1", {f"a{number}": b"\0a" + b"x" * 4000 for number in range(9)} | FILES)
    hosts.push("web1", {f"a{number}": b"\0b" + b"x" * 4000 for number in range(9)} | {**FILES, "motd": "other\n"})
    read = list[bytes]()
    content = History.content

    def counted(self: History, snapshot: Snapshot, entry: Entry) -> Iterator[bytes]:
        read.append(entry.path)
        return content(self, snapshot, entry)

    monkeypatch.setattr(History, "content", counted)
    paths = by_name(tell(hosts, DigestBase(mark=base)))
    assert len(read) == 9 + 2 and paths["a8"].hidden == "binary"  # of each binary file one side
    monkeypatch.setattr(host_digest, "_MOST_READ", 20_000)
    read.clear()
    paths = by_name(tell(hosts, DigestBase(mark=base)))
    assert len(read) < 9 and paths["motd"].lines[1:] == ("-welcome", "+other") and "too much" in paths["a8"].hidden


def test_nobody_hides_a_change_behind_what_he_adds(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_digest, "_MOST_PATHS", 5)
    monkeypatch.setattr(host_digest, "_ROOM", 2000)
    base = hosts.push("web1", FILES)
    hosts.push("web1", {**FILES, "motd": "evil\n"} | {f"a{number}": "long\n" * 400 for number in range(9)})
    told = tell(hosts, DigestBase(mark=base))
    assert by_name(told)["motd"].lines[1:] == ("-welcome", "+evil") and told.left_out >= 4
    assert [path.path for path in told.paths] == sorted(path.path for path in told.paths)


def test_a_secret_in_a_message_or_a_link(hosts: Hosts, tmp_path: Path) -> None:
    base = hosts.push("web1", FILES)
    (hosts.tree / "link").symlink_to("https://me:canary-a@example.com/")
    hosts.push_tree("web1", "now password = canary-b\nmore")
    reply = host_digest.tell(hosts.hosts_path, "web1", tmp_path, DigestBase(mark=base), Secrecy())
    assert b"canary" not in reply and digest_reply.decode("web1", reply).notes[0].message.endswith("\nmore")
