"""The state folder: private under any umask, its lock, and what it remembers."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import pytest

from pacha import __version__
from pacha.errors import Concern, ExitCode, LockedError, PachaError
from pacha.files.listing import Fingerprints, Listing
from pacha.rebuild.options import AccountPolicy
from pacha.store import database, scan_cache
from pacha.store.hg import NULL, Blob, Note, Repository
from pacha.store.host_state import LONGEST, POLICIES, HostState, Orphans, RebuildChoices, Renumbering, Stated
from pacha.store.snapshot import Snapshot, Watched
from pacha.store.state import StateFolder

HOLD = """
import sys, time
from pathlib import Path
from pacha.store.state import StateFolder
with StateFolder(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state/pacha")


@contextmanager
def held_by_another(state: StateFolder, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(state.path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "held\n"
            yield other
        finally:
            other.kill()


def test_the_lock_names_its_holder_and_refuses_at_once(state: StateFolder) -> None:
    with held_by_another(state) as other:
        began = time.monotonic()
        with pytest.raises(LockedError) as caught:
            with state.locked():
                pytest.fail("two hold the lock")
        assert time.monotonic() - began < 1
        assert f"process {other.pid} " in caught.value.why
        assert caught.value.exit_code == ExitCode.LOCKED


def test_a_bounded_wait_for_the_lock(state: StateFolder) -> None:
    with held_by_another(state):
        began = time.monotonic()
        with pytest.raises(LockedError):
            with state.locked(wait_seconds=0.5):
                pass
        assert 0.4 < time.monotonic() - began < 3


def test_waiting_gets_the_lock_when_it_is_free(state: StateFolder) -> None:
    with held_by_another(state, seconds=0.3):
        with state.locked(wait_seconds=20):
            pass


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_holder_lets_go(state: StateFolder, how: signal.Signals) -> None:
    with held_by_another(state) as other:
        other.send_signal(how)
        other.wait()
        with state.locked():
            assert f"{os.getpid()} " in (state.path / "lock").read_text()


def test_the_lock_is_free_again_after_an_error(state: StateFolder) -> None:
    with pytest.raises(ZeroDivisionError):
        with state.locked():
            1 / 0  # noqa: B018
    with state.locked():
        with pytest.raises(LockedError):
            with state.locked():
                pass


def test_a_lock_that_is_a_link_is_not_followed(state: StateFolder, tmp_path: Path) -> None:
    state.make()
    (tmp_path / "precious").write_text("precious")
    (state.path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        with state.locked():
            pass
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
def test_nothing_in_it_is_open_to_others_under_any_umask(tmp_path: Path, umask: int) -> None:
    state = StateFolder(tmp_path / "new/state/pacha")
    before = os.umask(umask)
    try:
        with state.locked():
            state.update(tip="a")
            state.machine()
            snapshot = Snapshot({"host": "bar"}, (Watched(path=b"/w", single=False, repository="w"),))
            database.write(state.database, snapshot)
            scan_cache.write(state.cache, Fingerprints(), Fingerprints({b"/w": Listing(b"a", bytes(52))}))
            image = database.image(state.database)
            repository = Repository.open(state.repository("w"), create=True)
            note = Note("m", "u", 1.0)
            node = repository.commit(NULL, [b"d/pacha.db"], [], lambda name: Blob(image), note)
            repository.commit(node, [b"d/pacha.db"], [], lambda name: Blob(image + b"x"), note)
    finally:
        os.umask(before)
    made = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert len(made) > 15
    for path in made:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_dir() or "repos" not in path.parts:  # Mercurial's own files lie behind shut doors
            assert mode & 0o077 == 0, f"{path} is {mode:o}"
        assert path.stat().st_uid == os.geteuid()


def test_a_folder_that_was_open_is_shut(state: StateFolder) -> None:
    state.path.mkdir(parents=True, mode=0o755)
    state.make()
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(PachaError, match="state folder"):
            StateFolder(path).make()


# -- what is remembered


def test_remembering_and_forgetting(state: StateFolder) -> None:
    assert state.read() == HostState()
    assert state.update(tip="a", pending=True) == HostState(tip="a", pending=True)
    state.update(tip="b", cure="")
    assert state.read() == HostState(tip="b", pending=True)
    state.update(pending=False)
    assert StateFolder(state.path).read() == HostState(tip="b")
    assert json.loads((state.path / "memory.json").read_text()) == {"tip": "b", "version": __version__}, (
        "a default is not written"
    )
    assert [path.name for path in state.path.iterdir()] == ["memory.json"]


def test_no_other_field_is_remembered(state: StateFolder) -> None:
    with pytest.raises(TypeError):
        state.update(tipp="a")
    assert not (state.path / "memory.json").exists()


#: A file as it has been written since the first release, with a key of a later one.
WRITTEN = {
    "untold": [["2f78", "forged"]],
    "accepted": ["r1"], "concerns": [["2f77", "not kept"]], "config": "/etc/pacha.conf", "cure": "Push again.",
    "choices": {
        "bar": {"accounts": "keep", "groups": {}, "keep": ["/etc/fstab"], "users": {"6f6c64": "6e6577"}},
    },
    "failure": "It broke.", "greeted": ["pacha@m"], "history": 7, "hostname": "bar", "machine": "0123456789abcdef",
    "made": ["ab", 2.5], "moving": {"groups": {}, "users": {"1000": 1001}}, "owed": {"2f77": "absent"},
    "orphans": [["616e6e", False, 2100001000, 12, ["2f77"], "2f6d"]],
    "moving_below": {"2f6d": {"groups": {"7": 8}, "users": {}}},
    "masters": {
        "m": {"changelog": "ab", "contents": {}, "sent": {"db": "cd"}, "succeeded": 2.5, "tried": 2.5, "later": 1},
        "n": {"contents": {"etc": None, "opt": "ef"}, "failure": "It broke.", "tried": 3.5},
    },
    "pending": True, "staging": "/tmp/a", "staging_before": "/tmp/b", "staging_left": ["/tmp/c"], "succeeded": 2.5,
    "mounted": ["2f6d"], "tip": "ab", "tried": 3.5, "later": {"things": [1]}, "reread": ["2f77"],
    "version": __version__, "machine_id": "0123456789abcdef0123456789abcdef", "services_owed": ["ssh.service"],
    "stated": {"bar": [3, "ab", "cd", "SHA256:x"]},
}  # fmt: skip


def test_every_field_is_read_and_written_as_it_always_was(state: StateFolder) -> None:
    state.make()
    (state.path / "memory.json").write_text(json.dumps(WRITTEN))
    known = state.read()
    assert known.owed == {b"/w": "absent"} and known.concerns == (Concern(b"/w", "not kept"),)
    assert known.choices == {"bar": RebuildChoices(keep=("/etc/fstab",), accounts="keep", users={b"old": b"new"})}
    assert known.moving == Renumbering(users={1000: 1001}) and known.made == ("ab", 2.5)
    ann = Orphans(name=b"ann", is_group=False, number=2100001000, count=12, paths=(b"/w",), target=b"/m")
    assert known.orphans == (ann,) and known.mounted == (b"/m",)
    assert known.moving_below == {b"/m": Renumbering(groups={7: 8})}
    assert known.stated == {"bar": Stated(counter=3, digest="ab", tip="cd", key="SHA256:x")}
    assert known.masters["m"].sent == {"db": "cd"} and known.masters["n"].contents == {"etc": None, "opt": "ef"}
    assert {item.name for item in fields(known)} - {"unknown"} == WRITTEN.keys() - {"later"}, "one is not tried here"
    state.update()
    assert json.loads((state.path / "memory.json").read_text()) == WRITTEN


def test_the_words_of_a_policy_are_those_of_a_rebuild() -> None:
    assert set(POLICIES) == {"", *(policy.value for policy in AccountPolicy)}


def test_memory_is_wholly_old_or_wholly_new(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    state.update(tip="a")
    with pytest.raises(TypeError):
        state.update(tip=object())
    assert state.read() == HostState(tip="a")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        state.update(tip="b")
    assert state.read() == HostState(tip="a")
    monkeypatch.undo()
    assert [path.name for path in state.path.iterdir()] == ["memory.json"], "no litter is left"


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1]", b"null"])
def test_damaged_memory_is_an_error_and_never_forgotten(state: StateFolder, text: bytes) -> None:
    state.make()
    (state.path / "memory.json").write_bytes(text)
    with pytest.raises(PachaError, match=r"memory\.json"):
        state.read()
    with pytest.raises(PachaError):
        state.update(tip="a")
    assert (state.path / "memory.json").read_bytes() == text


@pytest.mark.parametrize("needed", [2, 99, "2", None])
def test_what_a_later_pacha_wrote_is_refused_and_left_as_it_is(state: StateFolder, needed: object) -> None:
    state.make()
    text = json.dumps({"machine": "a", "readable_from": needed, "new": ["things"]})
    (state.path / "memory.json").write_text(text)
    for action in (state.read, state.machine, lambda: state.update(tip="a")):
        with pytest.raises(PachaError, match="later Pacha") as caught:
            action()
        assert str(needed) in caught.value.why
    assert (state.path / "memory.json").read_text() == text


@pytest.mark.parametrize(
    ("version", "cure"),
    [("7.5", "Install Pacha 7.5 or a later one."), (7, "Install that Pacha again."), ("\x1b[2J", r"\x1b[2J")],
)
def test_a_later_pacha_is_named(state: StateFolder, version: object, cure: str) -> None:
    state.make()
    (state.path / "memory.json").write_text(json.dumps({"readable_from": 99, "version": version}))
    with pytest.raises(PachaError) as caught:
        state.read()
    assert cure in caught.value.hint


def test_what_a_later_pacha_added_without_need_is_kept(state: StateFolder) -> None:
    state.make()
    (state.path / "memory.json").write_text(json.dumps({"readable_from": 1, "new": ["things"]}))
    state.update(machine="a")
    written = json.loads((state.path / "memory.json").read_text())
    assert written == {"readable_from": 1, "new": ["things"], "machine": "a", "version": __version__}


def test_the_machine_keeps_its_id(state: StateFolder, tmp_path: Path) -> None:
    assert len(state.machine()) == 16
    assert state.machine() == StateFolder(state.path).machine()
    assert state.machine() != StateFolder(tmp_path / "other").machine()


def test_names_that_are_no_text_do_not_hinder(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "a\udcffb c")
    with state.locked():
        state.update(tip="a")
        database.write(state.database, Snapshot({"host": "bar"}))
        assert database.read(state.database).host == "bar"


def test_what_is_remembered_by_someone_else_is_not_to_be_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "memory.json").mkdir()  # as unreadable for root as another's file is for a plain user
    with pytest.raises(PachaError) as caught:
        StateFolder(tmp_path).read()
    assert caught.value.why == "Is a directory"
    assert "PACHA_STATE" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        '{"succeeded": "x"}', '{"masters": []}', '{"masters": {"m": 1}}', '{"masters": {"m": {"sent": 1}}}',
        '{"owed": [1]}', '{"concerns": 5}', '{"tried": 1e999}', '{"hostname": ["bar"]}', '{"failure": {}}',
        '{"staging_left": 1}', '{"made": ["a"]}', '{"owed": {"x": "absent"}}', '{"moving": {"users": {"a": 1}}}',
        '{"moving_below": {"x": {}}}', '{"orphans": [[]]}', '{"orphans": [["zz", false, 1, 1, [], ""]]}',
        '{"orphans": [["", 1, 1, 1, [], ""]]}',
        '{"succeeded": 1000000000000000}', '{"masters": {"m": {"tried": 1000000000000000}}}', '{"made": ["a", 1e15]}',
        '{"choices": []}', '{"choices": {"h": {"accounts": "give"}}}', '{"choices": {"h": {"keep": "/etc"}}}',
        '{"choices": {"h": {"users": {"x": "y"}}}}', '{"choices": {"h": 1}}', '{"choices": {"h": {"groups": [1]}}}',
        json.dumps({"choices": {"h": {"keep": ["x"] * (LONGEST + 1)}}}),
        '{"history": "x"}', '{"machine": 7}', '{"masters": {"m": {"contents": {"etc": 7}}}}', '{"later": 1e999}',
    ],
)  # fmt: skip
def test_a_memory_of_another_kind_is_damaged_not_a_fault_of_ours(state: StateFolder, text: str) -> None:
    state.make()
    (state.path / "memory.json").write_text(text)
    with pytest.raises(PachaError, match=r"memory\.json is damaged") as caught:
        state.read()
    assert "Move it aside" in caught.value.hint and caught.value.why.startswith(("its '", "its master '"))
