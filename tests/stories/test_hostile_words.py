"""Whatever words come from elsewhere, no terminal is made to obey them, and no number of theirs is a fault of ours."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pacha.store.hg import Blob, Note, Repository
from pacha.store.state import StateFolder
from pacha.wire import control
from tests.support.amount import by_turns
from tests.support.forced import Door
from tests.support.stage import Host, Stage

#: A clipboard to be written, a screen to be cleared, C1, bidi, lines of its own.
HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\u202e\u2066evil\rx\x00\x85\u2028"
#: A Pacha on the master which says these words in the place of its own; those of a number are as they are spelt.
_LIES = """\
import json
from pacha.wire import control
changes, numbers = json.loads({changes!r}), json.loads({numbers!r})
def lie(message):
    message = dict(message, **{{key: value for key, value in changes.items() if key in message or key == "error"}})
    for key in numbers:
        if key in message:
            message[key] = "@" + key + "@"
    text = json.dumps(message)
    for key, spelt in numbers.items():
        text = text.replace('"@' + key + '@"', spelt)
    return text.encode("ascii") + b"\\n"
control.encode = lie
"""


def lying(door: Door, changes: dict[str, Any], numbers: dict[str, str]) -> Path:
    """The program that says so."""
    return door.program("pacha-lies", _LIES.format(changes=json.dumps(changes), numbers=json.dumps(numbers)))


@pytest.fixture
def host(stage: Stage, door: Door) -> Iterator[Host]:
    """A host that has pushed, behind a forced command which is another from now on."""
    program = lying(door, {}, {})
    made = door.host(stage, program=program)
    tree = stage.folder / "opt"
    tree.mkdir()
    (tree / "one").write_text("one\n")
    made.watch(tree)
    made.push()
    yield made


def texts(value: object) -> Iterator[str]:
    """Every text in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def harmless(host: Host, *arguments: str, codes: tuple[int, ...] = (0, 1, 3, 11, 13)) -> str:
    """What a run prints, which no terminal obeys, nor what a program prints of its JSON."""
    done = host.pacha(*arguments)
    said = done.out + done.err
    assert done.code in codes, (done.code, said)
    assert "a fault in Pacha itself" not in said and "Traceback" not in said
    assert [line for line in said.split("\n") if not line.isprintable()] == [], arguments
    if "--json" in arguments and done.out:
        assert [text for text in texts(json.loads(done.out)) if not text.replace("\n", "").isprintable()] == []
    return said


def every_command(host: Host) -> str:
    """All that somebody on the host may look at."""
    said = harmless(host, "doctor") + harmless(host, "doctor", "--json")
    said += harmless(host, "push") + harmless(host, "-v", "push")
    said += harmless(host, "rebuild", "bar", "--dry-run", "--yes", "--target", str(host.folder / "out"))
    said += harmless(host, "log", "--host", "foo")
    return said + harmless(host, "status") + harmless(host, "status", "--json") + harmless(host, "log", "--json")


LIES: list[dict[str, Any]] = [
    {"version": HOSTILE},
    {"hosts_path": f"/{HOSTILE}".replace("\0", "")},
    {"capabilities": [HOSTILE, *control.CAPABILITIES], "may": [HOSTILE, "push", "rebuild"]},
    {"changelog": HOSTILE, "contents": {HOSTILE: HOSTILE}},
    {"error": {"message": HOSTILE, "why": HOSTILE, "hint": HOSTILE, "code": HOSTILE, "exit": 13}},
    {"owners": {HOSTILE: HOSTILE}, "free": HOSTILE, "clock": HOSTILE},
]


@pytest.mark.parametrize("lies", by_turns(LIES, 2), ids=lambda lies: next(iter(lies)))
def test_words_of_a_master(host: Host, door: Door, lies: dict[str, Any]) -> None:
    lying(door, lies, {})
    every_command(host)


@pytest.mark.parametrize(
    ("field", "number"),
    by_turns([
        ("pacha", "1e999"), ("clock", "9" * 400), ("clock", "1e999"), ("clock", "1e300"), ("clock", "-1e18"),
        ("clock", "NaN"), ("clock", "9" * 5000), ("free", "1" + "0" * 4000),
    ], 3),
)  # fmt: skip
def test_numbers_of_a_master(host: Host, door: Door, field: str, number: str) -> None:
    """What it says makes no sense: that is damage, or where the number only helps not worth a word."""
    lying(door, {}, {field: number})
    assert "makes no sense" in harmless(host, "doctor")
    if field != "free":
        assert "makes no sense" in harmless(host, "push", codes=(13,))
        assert "makes no sense" in harmless(host, "rebuild", "bar", "--yes", "--dry-run", codes=(13,))


def test_words_of_a_history(host: Host) -> None:
    """Somebody who can push as the host, or the master, writes what stands in a revision."""
    mine, theirs = (Repository.open(str(path / "db")) for path in (host.state / "repos", host.stage.hosts / "bar"))
    for repository in (mine, theirs):
        [tip] = repository.heads()
        changes = repository.reader(tip)(b"changes") + b"\x1b[2J\n"
        note = Note(f"{HOSTILE}\n\n1 added", HOSTILE, 1_700_000_000)
        repository.commit(tip, [b"changes"], [], lambda name, text=changes: Blob(text), note)
    for path in (host.stage.hosts / "bar" / "db").rglob("*"):
        os.chown(path, host.stage.account.uid, host.stage.account.gid)
    assert "\\x1b]52" in every_command(host)
    assert "\\x1b]52" in harmless(host, "log", "--host", "bar")


def test_words_that_an_earlier_version_remembered(host: Host) -> None:
    state = StateFolder(host.state)
    memory = json.loads((host.state / "memory.json").read_text())
    master = {name: {**one, "failure": HOSTILE} for name, one in memory["masters"].items()}
    memory |= {"failure": HOSTILE, "cure": HOSTILE, "concerns": [["2f", HOSTILE]], "masters": master}
    (host.state / "memory.json").write_text(json.dumps(memory))
    for command in (["status"], ["status", "--json"], ["doctor"], ["doctor", "--json"], []):
        assert "\\x1b" in harmless(host, *command) or not command
    assert state.read().failure.isprintable()


def test_words_in_the_folder_of_a_host(host: Host) -> None:
    """The host writes its heartbeat, and whoever owns its folder what stands beside it."""
    beat = json.loads((host.stage.hosts / "bar" / "last-push").read_text())
    for changes in (
        {"version": HOSTILE},
        {"tip": HOSTILE},
        {"at": HOSTILE},
        {HOSTILE: HOSTILE},
        {"frequency": 10**400},
    ):
        (host.stage.hosts / "bar" / "last-push").write_text(json.dumps({**beat, **changes}))
        for command in (["hosts"], ["hosts", "--json"], ["hosts", "--prometheus"], ["-q", "hosts"], ["check"]):
            harmless(host, *command)
    (host.stage.hosts / HOSTILE.replace("\0", "")).mkdir()
    harmless(host, "hosts", "--json")


@pytest.mark.parametrize("status", [0, 1, 127])
def test_words_of_a_shell(host: Host, stage: Stage, status: int) -> None:
    """A plain account whose every command says this, on both of its outputs."""
    program, words = stage.folder / "shell", stage.folder / "words"
    words.write_text(HOSTILE + "\n")
    program.write_text(f"#!/bin/sh\ncat {words}\ncat {words} >&2\nexit {status}\n")
    program.chmod(0o755)
    authorized = stage.server.folder / "authorized" / stage.account.name
    before = authorized.read_text()
    authorized.write_text(re.sub(r'command="[^"]*"', f'command="{program}"', before))
    try:
        every_command(host)
    finally:
        authorized.write_text(before)
