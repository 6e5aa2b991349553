"""Random questions to all hosts, answered as somebody would who lists and reads every file of every host.

Twelve questions; ``PACHA_SOAK=1`` asks 2,000, ``PACHA_QUESTIONS`` as many, ``PACHA_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pacha.files.entry import Entry, Kind
from pacha.fleet import drift
from pacha.fleet.changes import changes
from pacha.fleet.find import find
from pacha.fleet.grep import compiled, grep
from pacha.fleet.history_grep import grep_history
from pacha.fleet.update import Fleet, up_to_date
from pacha.history.access import open_history
from pacha.history.ls import ls
from pacha.store import change_list
from tests.support.amount import amount
from tests.support.fleet import Hosts

SEED = int(os.environ.get("PACHA_SEED", time.time_ns() % 10**6))
ROUNDS = int(amount("PACHA_QUESTIONS", sample=12, soak=2000))
pytestmark = pytest.mark.soak
NAMES = ["a", "b.conf", "d/a", "d/b.conf", "d/e/c", "e.conf"]
TEXTS = ["", "one\n", "one\ntwo\n", "two\nthree\n", "\0binary one\n", "One\n"]
GLOBS = ["*", "a", "*.conf", "[ab]*", "none", "d", "*/d/*", "*/e*"]
REGEXES = ["one", "^two", "(?i)ONE$", "t.o\\b", "none", "e$"]
HOSTS = ["web1", "web2", "web3", "db1"]
OF_HOSTS = [[], ["web*"], ["db1"], ["web1", "db1"]]


@dataclass(frozen=True)
class Known:
    """What one host has, listed and read file by file: its newest snapshot, and each snapshot, oldest first."""

    entries: Mapping[bytes, Entry]
    contents: Mapping[bytes, bytes]
    past: tuple[tuple[str, Mapping[bytes, bytes]], ...]
    touched: tuple[tuple[str, frozenset[tuple[str, str]]], ...]


def read(hosts: Hosts, host: str) -> Known:
    with open_history(hosts.context("master"), host) as history:
        past, entries, touched = [], dict[bytes, Entry](), []
        for revision in list(history.revisions)[::-1]:
            snapshot = history.snapshot(revision)
            entries = {entry.path: entry for entry in ls(snapshot, recursive=True)}
            files = [entry for entry in entries.values() if entry.kind is Kind.FILE]
            past.append((revision.node, {e.path: b"".join(history.content(snapshot, e)) for e in files}))
            text = history.read("db", revision.node, change_list.FILE).decode()
            lines = (line.split(" ", 1) for line in text.splitlines()[2:])
            touched.append((revision.node, frozenset((letter, name) for letter, name in lines)))
        return Known(entries, past[-1][1], tuple(past), tuple(touched))


def make(hosts: Hosts, choose: random.Random) -> None:
    for host in HOSTS:
        for number in range(4):
            files = {name: choose.choice(TEXTS) for name in choose.sample(NAMES, choose.randint(2, len(NAMES)))}
            hosts.push(host, {**files, "always": f"{number}\n"})
            if choose.random() < 0.5:
                (hosts.tree / "always").chmod(0o600)
                hosts.push_tree(host)


@pytest.fixture(name="asked", scope="module")
def random_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hosts, Mapping[str, Known]]]:
    hosts = Hosts(tmp_path_factory.mktemp("questions").resolve() / "top")
    make(hosts, random.Random(SEED))
    yield hosts, {host: read(hosts, host) for host in HOSTS}


def test_as_by_hand(asked: tuple[Hosts, Mapping[str, Known]]) -> None:
    hosts, known = asked
    choose = random.Random(SEED)
    with up_to_date(hosts.hosts_path) as fleet:
        assert fleet.faults() == []
        for _ in range(ROUNDS):
            globs = choose.choice(OF_HOSTS)
            some = {h: k for h, k in known.items() if not globs or any(fnmatchcase(h, glob) for glob in globs)}
            folder = choose.choice([hosts.tree, hosts.tree / "d", hosts.tree / "d/a", Path("/"), hosts.tree / "none"])
            ask = choose.choice([finds, greps, drifts, changed, greps_history])
            ask(fleet, some, globs, os.fsencode(folder), choose)


def within(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def finds(fleet: Fleet, known: Mapping[str, Known], globs: list[str], _: bytes, choose: random.Random) -> None:
    glob = choose.choice(GLOBS)
    expected = {
        (path, host)
        for host, one in known.items()
        for path in one.entries
        if fnmatchcase(os.fsdecode(path if "/" in glob else os.path.basename(path)), glob)
    }
    found = list(find(fleet, glob, globs))
    assert {(one.path, host) for one in found for host in one.hosts} == expected, (SEED, glob, globs)
    for one in found:
        for host in one.hosts:
            entry = known[host].entries[one.path]
            assert (entry.kind.value, entry.mode, entry.owner) == (one.state.kind, one.state.mode, one.state.owner)


def greps(fleet: Fleet, known: Mapping[str, Known], globs: list[str], folder: bytes, choose: random.Random) -> None:
    regex = choose.choice(REGEXES)
    expected = {
        (path, host): lines
        for host, one in known.items()
        for path, data in one.contents.items()
        if within(path, folder) and (lines := matching(regex, data)) is not None
    }
    search = grep(fleet, compiled(regex), [folder], globs)
    found = {
        (match.path, host): [(line.number, line.text) for line in match.lines]
        for match in search.matches
        for host in match.hosts
    }
    assert found == expected and search.faults == [], (SEED, regex, globs, folder)
    assert set(search.without) == known.keys() - {host for _, host in expected}


def matching(regex: str, data: bytes) -> list[tuple[int, bytes]] | None:
    pattern = re.compile(regex.encode())
    if b"\0" in data:
        return [] if pattern.search(data) else None
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if pattern.search(line)]
    return lines or None


def greps_history(fleet: Fleet, known: Mapping[str, Known], _: list[str], folder: bytes, choose: random.Random) -> None:
    host, regex = choose.choice(sorted(known)), choose.choice(REGEXES)
    first: dict[tuple[bytes, bytes], str] = {}
    for node, contents in known[host].past:
        for path, data in contents.items():
            if within(path, folder) and matching(regex, data) is not None:
                first.setdefault((path, data), node)
    found = grep_history(fleet, compiled(regex), [folder], [host])
    assert {(match.path, match.node) for match in found} >= {(path, node) for (path, _), node in first.items()}
    for match in found:  # a content that came back may be named again, by a snapshot that has it
        assert match.path in dict(known[host].past)[match.node], (SEED, host, regex, folder)


def drifts(fleet: Fleet, known: Mapping[str, Known], globs: list[str], folder: bytes, choose: random.Random) -> None:
    content_only = choose.random() < 0.5
    expected: dict[bytes, set[tuple[str, ...]]] = {}
    for path in {path for one in known.values() for path in one.entries if within(path, folder)}:
        groups: dict[object, list[str]] = {}
        for host, one in known.items():
            groups.setdefault(what(one.entries.get(path), content_only=content_only), []).append(host)
        if len(groups) > 1:
            expected[path] = {tuple(sorted(members)) for members in groups.values()}
    found = list(drift.drift_below(fleet, folder, globs, content_only=content_only))
    assert {one.subject: {group.hosts for group in one.groups} for one in found} == expected, (SEED, folder, globs)
    for one in found:
        sizes = [len(group.hosts) for group in one.groups]
        assert sizes == sorted(sizes, reverse=True) and one.unwatched == ()


def what(entry: Entry | None, *, content_only: bool) -> object:
    if entry is None or content_only:
        return entry and (entry.kind, entry.sha256, entry.target)
    return entry.kind, entry.sha256, entry.target, entry.owner, entry.group, entry.mode


def changed(fleet: Fleet, known: Mapping[str, Known], globs: list[str], folder: bytes, _: random.Random) -> None:
    place = os.fsdecode(folder)
    expected = {}
    for host, one in known.items():
        for node, lines in one.touched:
            concerning = {(letter, name) for letter, name in lines if within(name.encode(), folder)}
            if concerning or place == "/":
                expected[host, node] = concerning
    found = list(changes(fleet, 0, time.time(), globs, folder))
    told = {(one.host, one.node): {pair for pair in one.touched or () if pair[0] != "P"} for one in found}
    assert told == {key: {pair for pair in lines if pair[0] != "P"} for key, lines in expected.items()}, SEED
    assert [one.at for one in found] == sorted(one.at for one in found)
