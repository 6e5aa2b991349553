"""A push: what reached the master and what did not, and that one which changes nothing sends nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pacha.errors import ConfigError, LockedError, PachaError
from pacha.push import push
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_the_first_makes_a_snapshot_and_the_next_has_nothing_to_send(bar: Standalone) -> None:
    first, second = bar.push(), bar.push()
    assert first.committed and first.sent and first.changes.added == (bar.path, bar.path + b"/one")
    assert not second.committed and not second.sent and second.tip == first.tip
    assert first.paths == second.paths == 2 and first.failure is None
    assert (bar.master / "last-push").exists() and (bar.master / "foo/.hg").is_dir()


def test_what_is_tried_and_what_came_of_it_is_remembered(bar: Standalone) -> None:
    bar.push()
    state = bar.context().state.read()
    assert state.tried and state.succeeded >= state.tried and state.failure == "" and not state.pending


def test_where_no_master_can_be_had_the_snapshot_waits_here(bar: Standalone) -> None:
    pushed = push.push(bar.context(hosts_path="/proc/nowhere"))
    assert pushed.committed and pushed.masters == () and pushed.failure is not None
    assert bar.context().state.read().failure
    again = bar.push()
    assert again.sent and not again.committed and again.tip == pushed.tip


def test_a_folder_of_hosts_that_is_a_file_is_a_master_out_of_reach(bar: Standalone, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    pushed = push.push(bar.context(hosts_path=str(tmp_path / "file")))
    assert pushed.committed and pushed.failure is not None and pushed.failure.code == "hosts-path-unreadable"


@pytest.mark.slow
def test_a_clock_that_was_set_back_is_named_once(bar: Standalone, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a battery for its clock begins in 1970, and its snapshots come in their order all the same."""
    real = time.time
    for back, said in ((0, False), (30, False), (10**9, True), (10**9 - 600, False), (0, False)):
        monkeypatch.setattr(time, "time", lambda back=back: real() - back)
        (bar.tree / "one").write_text(f"{back} {said}\n")
        pushed = push.push(bar.context())
        assert pushed.committed and pushed.failures == ()
        assert [concern.reason[:28] for concern in pushed.concerns] == ["this machine's clock says 19"] * said
    assert not bar.push().concerns


def test_what_is_said_of_it_is_in_the_history(bar: Standalone) -> None:
    tip = bar.push("because\x1b of this").tip
    note = bar.session().repository("db").note(tip)
    assert "because" in note.message and "\x1b" not in note.message and "@" in note.user


def test_nobody_pushes_beside_another_run(bar: Standalone) -> None:
    with bar.context().state.locked(), pytest.raises(LockedError):
        push.push(bar.context())


def test_without_a_master_nothing_is_tried(bar: Standalone) -> None:
    with pytest.raises(ConfigError):
        push.push(bar.context(host=""))
    assert bar.context().state.read().tried == 0


def test_what_ends_a_push_is_remembered_with_its_cure(bar: Standalone) -> None:
    (bar.top / "state/pacha.db").write_bytes(b"x" * 5000)
    with pytest.raises(PachaError) as caught:
        push.push(bar.context())
    state = bar.context().state.read()
    assert (state.failure, state.cure) == (caught.value.in_a_line, caught.value.hint)


def test_what_a_killed_rebuild_had_fetched_is_removed(bar: Standalone) -> None:
    left = Path(os.environ["TMPDIR"]) / "pacha-0123456789abcdef"
    left.mkdir(mode=0o700)
    bar.context().state.update(staging=str(left))
    bar.push()
    assert not left.exists()
