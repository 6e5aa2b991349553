"""The content of what changed: committed for that alone, as it is when it is read."""

from __future__ import annotations

import hashlib
from typing import NoReturn

import pytest

from pacha.errors import Concern, PachaError
from pacha.files.entry import Kind
from pacha.host.packages import Told
from pacha.push import commit, push, reconcile
from pacha.push.scan import read_last_snapshot, scan
from pacha.push.snapshot import commit_snapshot
from pacha.store import companions
from pacha.store.hg import open_lazily
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_no_content_waits_for_what_is_told_of_the_packages(bar: Standalone) -> None:
    def told() -> Told:
        assert open_lazily(bar.context().state.repository("foo")).heads() != ()
        return Told(text=b"", concerns=(Concern(b"/var/lib", "it took long"),))

    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    session.told = told
    new = commit_snapshot(session, reconcile.base(session, last)).snapshot
    assert companions.key(companions.PACKAGES) in new.meta
    assert "it took long" in [concern.reason for concern in session.concerns]


def test_metadata_alone_makes_a_snapshot_and_no_content(bar: Standalone) -> None:
    first = bar.snapshot()
    (bar.tree / "one").chmod(0o600)
    second = bar.snapshot()
    assert second.committed and second.changes.metadata == (bar.path + b"/one",)
    assert second.snapshot.live == first.snapshot.live


def test_content_and_what_is_gone(bar: Standalone) -> None:
    bar.snapshot()
    (bar.tree / "one").unlink()
    (bar.tree / "two").symlink_to("nowhere")
    new = bar.snapshot()
    assert (new.changes.removed, new.changes.added) == ((bar.path + b"/one",), (bar.path + b"/two",))
    assert new.snapshot.entries[bar.path + b"/two"].kind is Kind.SYMLINK


@pytest.mark.slow
@pytest.mark.parametrize("size", [10, 40 << 20])
def test_a_file_that_takes_the_place_of_a_scanned_one_keeps_its_own_mode(bar: Standalone, size: int) -> None:
    """What was public becomes a secret between scan and reading: no snapshot has the secret as readable by all."""
    (bar.tree / "one").write_bytes(bytes(size))
    (bar.tree / "one").chmod(0o755)
    session = bar.session()
    last = read_last_snapshot(session, False)
    scan(session, last)
    (bar.tree / "new").touch(0o600)
    (bar.tree / "new").write_bytes(b"x" * size)
    (bar.tree / "new").rename(bar.tree / "one")
    kept = commit_snapshot(session, reconcile.base(session, last)).snapshot.entries[bar.path + b"/one"]
    assert (kept.mode, kept.sha256) == (0o600, hashlib.sha256(b"x" * size).digest())


def test_what_the_disk_here_refuses_is_tried_once_and_is_no_fault_of_the_master(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second try finds the transaction that the first could not roll back, and takes it for damage."""
    bar.push()
    tries = []

    def refuse(*_: object, **__: object) -> NoReturn:
        tries.append(1)
        raise PachaError("It cannot be written.", "no space left", "Make room.", code="disk-refused")

    (bar.tree / "one").write_text("another\n")
    monkeypatch.setattr(commit, "commit", refuse)
    with pytest.raises(PachaError) as caught:
        push.push(bar.context())
    assert caught.value.code == "disk-refused" and tries == [1]
