"""What a push builds on: the last snapshot here, or a newer one that only the master has; and whose it may be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pacha.errors import ConfigError, PachaError
from pacha.push import push, reconcile
from pacha.store import database
from pacha.store.hg import NULL, Blob, Note, Repository
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def commit(repository: Repository, parent: str, text: bytes) -> str:
    return repository.commit(parent, [b"a"], [], lambda name: Blob(text), Note("m", "u", 1.0))


def test_a_commit_stands_on_what_the_master_has_else_on_what_is_known_else_on_the_newest(tmp_path: Path) -> None:
    repository = Repository.open(str(tmp_path / "r"), create=True)
    assert reconcile.parent(repository, None, ()) == NULL
    first = commit(repository, NULL, b"1")
    second, other = commit(repository, first, b"2"), commit(repository, first, b"3")
    assert reconcile.parent(repository, second, ()) == second
    assert reconcile.parent(repository, second, (other,)) == other
    assert reconcile.parent(repository, second, ("a" * 40,)) == second, "what is not here cannot be built on"
    assert reconcile.parent(repository, None, ()) in (second, other)


@pytest.mark.slow
def test_a_machine_that_was_set_back_goes_on_from_the_master(bar: Standalone) -> None:
    bar.push()
    shutil.copytree(bar.top / "state", bar.top / "yesterday")
    (bar.tree / "two").write_text("two\n")
    newer = bar.push()
    shutil.rmtree(bar.top / "state")
    shutil.move(bar.top / "yesterday", bar.top / "state")
    (bar.tree / "three").write_text("three\n")
    pushed = push.push(bar.context())
    assert pushed.failures == () and pushed.notices and pushed.changes.added == (bar.path + b"/three",)
    assert newer.tip[:12] in pushed.concerns[0].reason, "a machine id proves nothing"
    db = Repository.open(bar.context().state.repository("db"))
    assert db.is_ancestor(newer.tip, pushed.tip) and len(db.heads()) == 1


def test_another_machine_under_our_name_is_refused_unless_it_takes_over(bar: Standalone) -> None:
    bar.push()
    shutil.rmtree(bar.top / "state/repos")
    (bar.top / "state/memory.json").unlink()
    with pytest.raises(PachaError) as caught:
        push.push(bar.context())
    assert caught.value.code not in ("", "state-damaged") and "take-over" in caught.value.hint
    assert push.push(bar.context(), take_over=True).failure is None


def test_another_name_than_before_is_refused_unless_it_is_meant(bar: Standalone) -> None:
    bar.push()
    last = database.read(bar.context().state.database)
    renamed = bar.session()
    renamed.host = "foo"
    with pytest.raises(ConfigError) as caught:
        reconcile.check_name(renamed, last)
    assert caught.value.code == "hostname-changed" and "pacha rename bar foo" in caught.value.hint
    renamed.take_over = True
    reconcile.check_name(renamed, last)
    reconcile.check_name(bar.session(), last)
