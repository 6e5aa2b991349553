"""The snapshot in ``db``: as pacha.db has it, and none where nothing differs."""

from __future__ import annotations

from typing import NoReturn

import pytest

from pacha.push import push
from pacha.store import database, history
from pacha.store.hg import Repository
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def test_it_is_committed_here_as_pacha_db_has_it(bar: Standalone) -> None:
    new = bar.snapshot()
    here = bar.context().state
    assert new.committed and history.read(here, new.tip) == new.snapshot == database.read(here.database)
    assert here.read().tip == new.tip and not here.read().pending
    (watched,) = new.snapshot.live
    assert watched.node is not None
    assert Repository.open(here.repository("foo")).reader(watched.node)(b"one") == b"one\n"
    assert new.snapshot.entries[bar.path + b"/one"].sha256 is not None


def test_a_second_one_of_the_same_is_none(bar: Standalone) -> None:
    first, second = bar.snapshot(), bar.snapshot()
    assert (second.tip, second.committed) == (first.tip, False)


@pytest.mark.slow
def test_one_that_was_written_here_and_not_committed_is_committed_by_the_next_push(
    bar: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where this machine loses its power between the two: pacha.db has all of it, and nothing differs any more."""
    bar.push()
    (bar.tree / "one").chmod(0o600)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="power"):
        patch.setattr(database, "image", lost)
        push.push(bar.context())
    assert bar.push().committed
    entries = history.read(bar.context().state, bar.context().state.read().tip).entries
    assert entries[bar.path + b"/one"].mode == 0o600
    assert not bar.push().committed


def lost(path: str) -> NoReturn:
    raise OSError("the power is lost")
