"""Before-push programs: they run before the scan, all of them, and what fails is told."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from pacha.errors import Concern, PachaError
from pacha.host import watch
from pacha.push import before, push
from pacha.push.push import Pushed
from pacha.system import details
from pacha.wire.master import RolledBack
from tests.support.before_push import program
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def pushed(bar: Standalone, **keys: str) -> Pushed:
    return push.push(bar.context(**keys))


def reasons(concerns: Sequence[Concern]) -> dict[str, str]:
    return {os.path.basename(os.fsdecode(concern.path)): concern.reason for concern in concerns}


def log(bar: Standalone) -> str:
    path = bar.top / "state" / "before-push.log"
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text("utf-8")


def test_what_it_writes_is_in_the_same_snapshot(bar: Standalone) -> None:
    program(bar.top, "dump", f"echo dump of $PACHA_HOST >{bar.tree}/dump")
    assert bar.path + b"/dump" in bar.push().changes.added
    assert (bar.tree / "dump").read_text() == "dump of bar\n"


def test_all_run_in_their_order_whatever_becomes_of_one(bar: Standalone) -> None:
    for name, text in (("3", "exit 4"), ("1", "echo one; kill -9 $$"), ("2", "true"), ("4", "echo last words; exit 1")):
        program(bar.top, name, f"echo {name} >>{bar.tree}/ran; {text}")
    program(bar.top, "open", f"echo open >>{bar.tree}/ran", mode=0o777)
    done = pushed(bar)
    assert (bar.tree / "ran").read_text().split() == ["1", "2", "3", "4"]
    assert done.committed and done.failures == () and bar.path + b"/ran" in done.changes.added
    assert reasons(done.concerns) == {
        "open": "not run before the push: everybody may write to it",
        "1": "failed before the push: killed by signal 9: one",
        "3": "failed before the push: exit code 4",
        "4": "failed before the push: exit code 1: last words",
    }
    assert bar.context().state.read().concerns == done.concerns


@pytest.mark.slow
def test_one_that_hangs_or_cannot_be_started_holds_nobody_up(bar: Standalone) -> None:
    program(bar.top, "1", "echo begun; sleep 60")
    program(bar.top, "2", "").write_bytes(b"\x00\x01")
    assert reasons(pushed(bar, before_push_timeout="1").concerns) == {
        "1": "failed before the push: it was still at work after 1 seconds and was killed: begun",
        "2": "failed before the push: it cannot be started: exec format error",
    }


def test_one_that_did_not_fail_again_is_not_named_again(bar: Standalone) -> None:
    path = program(bar.top, "1", "exit 1")
    assert pushed(bar).concerns
    path.write_text("#!/bin/sh\n")
    assert bar.push().concerns == () and bar.context().state.read().concerns == ()


def test_what_they_say_is_kept_and_told_and_moves_no_terminal(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(details, "_listeners", [told.append])
    program(bar.top, "1", r"printf 'a\tb\033[2J\n\377\n'; seq 100000; printf 'end\033[31m\r\n\n'; exit 1")
    (concern,) = pushed(bar).concerns
    assert concern.reason == "failed before the push: exit code 1: end\\x1b[31m"
    kept = log(bar)
    assert len(kept) < 200_000 and kept.replace("\n", "").replace("\t", "").isprintable()
    assert f"{bar.top}/before-push.d/1: exit code 1" in told[0] and "100000" in told and told[0] in kept
    program(bar.top, "1", r"printf 'a\tb\033[2J\n\377\n'")
    bar.push()
    assert log(bar).splitlines()[1:] == ["    a\tb\\x1b[2J", "    \\xff"], "that of the last push alone"


def test_a_push_that_cannot_go_on_runs_none(bar: Standalone) -> None:
    program(bar.top, "1", f"touch {bar.top}/ran")
    watch.unwatch(bar.context(), bar.path)
    with pytest.raises(PachaError) as caught:
        pushed(bar)
    assert caught.value.code == "nothing-watched" and not (bar.top / "ran").exists()


def test_a_second_machine_s_name_runs_none(bar: Standalone) -> None:
    bar.push()
    program(bar.top, "1", f"touch {bar.top}/ran")
    with pytest.raises(PachaError) as caught:
        pushed(bar, hostname="other")
    assert caught.value.code == "hostname-changed" and not (bar.top / "ran").exists()


def test_a_push_that_starts_again_runs_them_once(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bar.top, "1", f"echo ran >>{bar.tree}/ran; exit 1")
    attempts, real = [], push._push

    def rolled_back_once(*arguments: object) -> Pushed:
        attempts.append(arguments)
        if len(attempts) == 1:
            raise RolledBack("It was rolled back.", code="rolled-back")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(push, "_push", rolled_back_once)
    assert len(pushed(bar).concerns) == 1 and len(attempts) == 2
    assert (bar.tree / "ran").read_text() == "ran\n"


def test_without_the_folder_there_is_nothing_to_run(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(before, "run_programs", fail)
    bar.push()
    assert not (bar.top / "state" / "before-push.log").exists()
