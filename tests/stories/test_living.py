"""A rebuild of one host on a machine that is another, living one: it says so, and asks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.keyboard import at_terminal
from tests.support.stage import PACHA, Alone, Host, alone, changed, picture

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    return tmp_path / "etc"


@pytest.fixture
def bar(tmp_path: Path, etc: Path) -> Host:
    """A host that has pushed ``etc``."""
    made = alone(tmp_path)
    etc.mkdir()
    (etc / "hostname").write_text("bar\n")
    (etc / "of bar").write_text("bar\n")
    made.watch(etc)
    made.push()
    return made


@pytest.fixture
def baz(bar: Host, etc: Path, tmp_path: Path) -> Host:
    """Another, which lives: what it keeps at the same places is its own."""
    living = Host(Alone(tmp_path), tmp_path / "baz", "baz")  # type: ignore[arg-type]
    shutil.rmtree(etc)
    etc.mkdir()
    (etc / "hostname").write_text("baz\n")
    living.watch(etc)
    living.push()
    return living


def which(etc: Path) -> str:
    return "This machine is 'baz': it pushes as 'baz' to local (last on "


@pytest.mark.parametrize("typed", [b"", b"\n", b"\n\n\n\n", b"y\ny\n"])
def test_nothing_that_is_piped_answers_for_it(baz: Host, etc: Path, typed: bytes) -> None:
    before, memory = picture(etc), baz.memory
    done = baz.pacha("rebuild", "bar", stdin=typed).must(1)
    assert done.lines[0] == "pacha: Nothing was done: this machine is 'baz'." and len(done.lines) == 3
    assert done.out == "" and changed(before, picture(etc)) == [] and baz.memory == memory


def test_its_first_lines_say_which_machine_this_is(baz: Host, etc: Path) -> None:
    done = baz.pacha("rebuild", "bar", "--dry-run").must()
    first, second, *_ = done.out.splitlines()
    assert first.startswith(which(etc)) and first.endswith(f", and watches {etc}.")
    assert second.startswith("Files of 'bar' would take the place of its own") and "pushing as 'baz'" in second
    planned = json.loads(baz.pacha("rebuild", "bar", "--dry-run", "--json").must().out)["this_machine"]
    assert (planned["host"], planned["watched"], planned["becomes"]) == ("baz", [str(etc)], False)
    assert planned["masters"] == ["local"] and planned["pushed"].endswith("Z")


def test_at_a_terminal_it_is_asked_about_twice_whatever_the_plan(baz: Host, etc: Path) -> None:
    (etc / "hostname").unlink()  # so that nothing is replaced
    before = picture(etc)
    code, shown = at_terminal(baz, "rebuild", "bar", keys=[b"\n", b"\x03"])
    assert code == 128 + signal.SIGINT and changed(before, picture(etc)) == []
    assert shown.count("This machine is 'baz'") == 2 and shown.startswith("This machine is 'baz'")
    code, shown = at_terminal(baz, "rebuild", "bar", keys=[b"\n", b"\n"])
    assert code == 0 and (etc / "hostname").read_text() == "bar\n"
    assert "This machine still is 'baz', and pushes as that." in shown


def test_yes_means_this_as_well(baz: Host, etc: Path) -> None:
    out = baz.pacha("rebuild", "bar", "--yes").must().out
    assert out.startswith(which(etc)) and (etc / "hostname").read_text() == "bar\n"
    assert baz.memory["tip"] and baz.memory.get("hostname", "") != "bar"
    baz.pacha("undo").must()
    assert (etc / "hostname").read_text() == "baz\n"


def test_a_part_is_asked_about_and_a_rehearsal_is_not(baz: Host, etc: Path) -> None:
    baz.pacha("rebuild", "bar", "--path", etc / "hostname", stdin=b"\n\n").must(1)
    baz.pacha("rebuild", "bar", "--target", "/", stdin=b"\n\n").must(1)
    assert (etc / "hostname").read_text() == "baz\n"
    done = baz.pacha("rebuild", "bar", "--target", baz.folder / "look", stdin=b"\n").must()
    assert "This machine" not in done.out


def test_the_name_in_the_configuration_says_which_machine_this_is_too(baz: Host, etc: Path) -> None:
    baz.forget()
    done = baz.pacha("rebuild", "bar", stdin=b"\n").must(1)
    assert "this machine is 'baz'" in done.err and (etc / "hostname").read_text() == "baz\n"


def test_on_a_fresh_machine_and_on_the_host_itself_nothing_is_said_of_it(bar: Host, etc: Path) -> None:
    assert "This machine" not in bar.pacha("rebuild", "bar", "--dry-run").must().out
    bar.forget()
    bar.configure(hostname="")
    shutil.rmtree(etc)
    assert "This machine" not in bar.pacha("rebuild", "bar", stdin=b"\n").must().out
    assert (etc / "hostname").read_text() == "bar\n"


def test_an_enter_that_is_piped_does_not_answer_the_second_question(bar: Host, etc: Path) -> None:
    (etc / "hostname").write_text("changed\n")
    before = picture(etc)
    done = bar.pacha("rebuild", "bar", stdin=b"\n\n\n").must(1)
    assert done.lines[0] == "pacha: Nothing was done." and "--yes" in done.lines[2]
    assert changed(before, picture(etc)) == [] and not (bar.state / "rebuilds").exists()


# -- what is asked, and where it is shown


def test_undo_asks_at_a_terminal_alone(baz: Host, etc: Path) -> None:
    baz.pacha("rebuild", "bar", "--yes").must()
    code, shown = at_terminal(baz, "undo", keys=[b"\x03"])
    assert code == 130 and "To be undone: rebuild of 'bar'" in shown and (etc / "hostname").read_text() == "bar\n"
    code, _ = at_terminal(baz, "undo", keys=[b"\n"])
    assert code == 0 and (etc / "hostname").read_text() == "baz\n"
    baz.pacha("rebuild", "bar", "--yes").must()
    code, shown = at_terminal(baz, "undo", "--yes", keys=[])
    assert code == 0 and "Hit Enter" not in shown and (etc / "hostname").read_text() == "baz\n"


def test_a_plan_that_is_piped_stands_on_stdout_alone(bar: Host, etc: Path) -> None:
    (etc / "of bar").unlink()
    done = bar.pacha("rebuild", "bar", "--dry-run").must()
    assert " 100% " not in done.out and "all checked" not in done.out and " 100% " in done.err
    assert "       1 to make" in done.out.splitlines() and " made" not in done.out
    assert " 100% " not in bar.pacha("-q", "rebuild", "bar", "--dry-run").must().err
    assert bar.pacha("rebuild", "bar", "--dry-run", "--json").must().err == ""


def test_at_a_terminal_the_lines_of_a_transfer_stand_on_stdout(bar: Host) -> None:
    ours, theirs = os.openpty()
    command = [PACHA, "rebuild", "bar", "--dry-run"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=bar.environment()) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # EIO: the other side is closed (pty(7))
                break
        assert process.stderr is not None and process.stderr.read() == b""
    os.close(ours)
    assert b"00changelog.i" in shown and b" 100% " in shown
