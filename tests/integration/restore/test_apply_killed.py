"""Applying a plan, killed or failing at each of its changing calls."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pacha.files.entry import Entry
from pacha.restore.apply import apply
from pacha.restore.journal import Journal, history, unfinished
from pacha.restore.undo import undo
from pacha.system import syscalls
from tests.support.amount import amount, by_turns, is_soak
from tests.support.applying import (
    CHANGING,
    CONCERNS,
    STOPPED,
    Story,
    alike,
    left_behind,
    look,
    old_tree,
    plan_for,
    rebuild,
    story_fixture,  # noqa: F401
)

pytestmark = [pytest.mark.soak, pytest.mark.slow, pytest.mark.usefixtures("as_root")]

KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
ALL = bool(amount("PACHA_ALL_KILLS", sample=0, soak=1))
CHILD = """
import pickle, sys
sys.path.insert(0, sys.argv[2])
from pacha.errors import PachaError
from tests.support.applying import CONCERNS, STOPPED, Contents
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
plan, contents, state = pickle.load(open(sys.argv[1], "rb"))
try:
    outcome = apply(plan, Contents(contents), Journal.begin(state))
except PachaError as error:
    sys.exit(print(error.message, error.why) or STOPPED)
sys.exit(CONCERNS if outcome.concerns else 0)
"""


#: The same with a second process, which is given two files at a time.
SHARED = """
import pickle, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from pacha.errors import PachaError
from pacha.fetch.worker import WorkerProcess
from pacha.restore import parallel
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from tests.support.applying import CONCERNS, STOPPED, Spooled
parallel._FEW, parallel._OURS, parallel._THEIRS = 1, 1, 2 * parallel._FILE
plan, contents, state = pickle.load(open(sys.argv[1], "rb"))
with WorkerProcess.start() as worker:
    try:
        outcome = apply(plan, Spooled(contents, Path(sys.argv[1] + ".spool")), Journal.begin(state), helper=worker)
    except PachaError as error:
        sys.exit(print(error.message, error.why) or STOPPED)
sys.exit(CONCERNS if outcome.concerns else 0)
"""


def run_child(story: Story, tmp_path: Path, *strace: str, program: str = CHILD) -> tuple[int, str]:
    """Rebuild in a process of its own, under strace. Return its exit status and strace's log."""
    if shutil.which("strace") is None:
        if os.environ.get("CI"):
            pytest.fail("this test needs strace, and CI is set")
        pytest.skip("needs strace")
    root, wanted, source, _, state = story
    job, log = tmp_path / "job", tmp_path / "strace.log"
    job.write_bytes(pickle.dumps((plan_for(root, wanted, delete=True), source.contents, os.fsencode(state))))
    repository = Path(__file__).parents[3]
    done = subprocess.run(
        ["strace", "-o", log, *strace, sys.executable, "-B", "-c", program, job, repository],
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, log.read_text(errors="replace")


def each_path_is_old_or_new(story: Story, *, absent: bool = False) -> None:
    root, wanted, _, old, _ = story
    now = look(root)
    for path in wanted.keys() | old.keys():
        # A killed rebuild may leave metadata half-way (journalled); type and content never.
        states = [_essence(entries.get(path)) for entries in (old, wanted)] + [None] * absent
        assert _essence(now.get(path)) in states, path


def _essence(entry: Entry | None) -> tuple[object, ...] | None:
    return None if entry is None else (entry.kind, entry.size, entry.sha256, entry.target)


def kill_points(story: Story, tmp_path: Path, program: str = CHILD) -> list[tuple[str, int]]:
    """Count the changing calls of an undisturbed run: every one of them is a point to kill at."""
    code, log = run_child(story, tmp_path, "-e", f"trace={CHANGING}", program=program)
    assert code == 0
    counts: dict[str, int] = {}
    for line in log.splitlines():
        name, bracket, _ = line.partition("(")
        if bracket and name.isalnum():
            counts[name] = counts.get(name, 0) + 1
    return [(name, number) for name, count in sorted(counts.items()) for number in range(1, count + 1)]


def reset(story: Story) -> None:
    root, _, _, _, state = story
    for path in [root, *root.parent.glob(".pacha-*")]:
        shutil.rmtree(path)
    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    old_tree(root)


def chosen(points: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """All points where PACHA_ALL_KILLS is set, else a middle one and the last of each call."""
    if ALL:
        return points
    last = dict(points)
    return sorted({(n, k) for n, count in last.items() for k in (count // 2 + 1, count)})


def test_killed_anywhere_it_can_be_undone_or_carried_on(story: Story, tmp_path: Path) -> None:
    root, _wanted, _, _, _state = story
    points = kill_points(story, tmp_path)
    both = (_undo_killed, _carry_on)
    for turn, (name, number) in enumerate(chosen(points)):
        for finish in both if ALL else (both[turn % 2],):
            reset(story)
            kill = f"inject={name}:signal=SIGKILL:when={number}"
            code, _ = run_child(story, tmp_path, "-e", f"trace={name}", "-e", kill)
            assert code in KILLED, (name, number, code)
            each_path_is_old_or_new(story)
            finish(story, f"{name} {number}")
            assert not left_behind(root.parent), (name, number)


def test_either_of_two_killed_anywhere(story: Story, tmp_path: Path) -> None:
    """strace(1) counts the calls of each process by itself: whoever comes first to this one is killed."""
    root, wanted, _, _, _ = story
    every = [("fchmod", 1), ("fchown", 2), ("fremovexattr", 1), ("utimensat", 3), ("pread64", 2), ("recvfrom", 1)]
    for turn, (name, number) in enumerate(every if is_soak() else by_turns(every, 2)):
        reset(story)
        kill = f"inject={name}:signal=SIGKILL:when={number}"
        options = ("-f", "--seccomp-bpf", "-e", f"trace={name}", "-e", kill)
        code, _ = run_child(story, tmp_path, *options, program=SHARED)
        assert code in (0, *KILLED), (name, number, code)
        assert code != 0 or alike(look(root)) == alike(wanted), (name, number)
        each_path_is_old_or_new(story)
        (_undo_killed, _carry_on)[turn % 2](story, f"{name} {number}")
        assert not left_behind(root.parent), (name, number)


UNDOING = """
import pickle, sys
from pacha.restore.journal import history
from pacha.restore.undo import undo
undo(history(pickle.load(open(sys.argv[1], "rb"))[2])[-1])
"""


def test_undo_killed_anywhere_is_finished_by_another(story: Story, tmp_path: Path) -> None:
    root, wanted, source, old, state = story
    rebuild(root, wanted, source, state, delete=True)
    for name, number in chosen(kill_points(story, tmp_path, UNDOING)):
        reset(story)
        rebuild(root, wanted, source, state, delete=True)
        kill = f"inject={name}:signal=SIGKILL:when={number}"
        code, _ = run_child(story, tmp_path, "-e", f"trace={name}", "-e", kill, program=UNDOING)
        assert code in KILLED, (name, number, code)
        each_path_is_old_or_new(story, absent=True)
        assert undo(history(os.fsencode(state))[-1]).concerns == (), (name, number)
        assert alike(look(root)) == alike(old), (name, number)
        assert not list(root.parent.glob(".pacha-*")), (name, number)


def test_killed_twice_one_undo_goes_back_before_both(story: Story, tmp_path: Path) -> None:
    root, _, _, old, _ = story
    points = [("renameat2", 2), ("renameat", 3), ("linkat", 2), ("utimensat", 15)]
    assert set(points) <= set(kill_points(story, tmp_path))
    for first in points:
        for second in [("renameat2", 1), ("renameat", 2), ("fchmod", 3)]:
            reset(story)
            for name, number in (first, second):
                kill = f"inject={name}:signal=SIGKILL:when={number}"
                run_child(story, tmp_path, "-e", f"trace={name}", "-e", kill)
                each_path_is_old_or_new(story)
            _carry_on(story, f"{first} {second}")
            assert alike(look(root)) == alike(old)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_system_without_exchange_comes_to_the_same(
    story: Story, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    root, wanted, source, old, state = story

    def unknown(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(syscalls, "exchange", unknown)
    monkeypatch.setattr(syscalls, "rename_new", unknown)
    if not links:
        wanted = {path: entry._replace(link_group=None) for path, entry in wanted.items()}
        monkeypatch.setattr(os, "link", unknown)
    journal = Journal.begin(os.fsencode(state))
    assert apply(plan_for(root, wanted, delete=True), source, journal).concerns == ()
    assert alike(look(root)) == alike(wanted)
    assert undo(journal).concerns == ()
    assert alike(look(root)) == alike(old) and not list(root.parent.glob(".pacha-*"))


def _undo_killed(story: Story, where: str) -> None:
    root, _, _, old, state = story
    _undo_all(state, where)
    assert alike(look(root)) == alike(old), where
    assert not list(root.parent.glob(".pacha-*")), where


def _carry_on(story: Story, where: str) -> None:
    root, wanted, source, old, state = story
    journal = Journal.begin(os.fsencode(state))
    outcome = apply(plan_for(root, wanted, delete=True), source, journal)
    assert outcome.concerns == (), where
    assert alike(look(root)) == alike(wanted), where
    assert unfinished(os.fsencode(state)) == [], where
    # What the killed run displaced is not forgotten: one undo goes back before both.
    assert undo(journal).concerns == (), where
    _undo_all(state, where)  # only one killed when it was as good as finished is not among those carried on
    assert alike(look(root)) == alike(old), where


def _undo_all(state: Path, where: str) -> None:
    for journal in reversed(history(os.fsencode(state))):
        if "undone" not in journal.marks:
            assert undo(journal).concerns == (), where
        journal.close()


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS", "EPERM"])
def test_an_error_anywhere_is_named_or_stops_before_any_change(story: Story, tmp_path: Path, error: str) -> None:
    root, wanted, _source, old, state = story
    every = [point for point in kill_points(story, tmp_path) if point[0] not in ("unlink", "ftruncate")]
    some = chosen(every) if ALL else chosen(every)[::4]
    for name, number in some:
        reset(story)
        inject = f"inject={name}:error={error}:when={number}"
        code, _ = run_child(story, tmp_path, "-e", f"trace={name}", "-e", inject)
        assert code in (0, CONCERNS, STOPPED), (name, number)
        each_path_is_old_or_new(story)
        now = alike(look(root))
        assert code != 0 or now == alike(wanted), (name, number)
        assert code != STOPPED or now in (alike(old), alike(wanted)), (name, number)
        for journal in reversed(history(os.fsencode(state))):
            undo(journal)
        assert alike(look(root)) == alike(old), (name, number)
