"""A history here that is gone before a master had all of it: the next push records anew what is on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pacha.push import push
from pacha.store import hg
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@contextmanager
def away(bar: Standalone) -> Iterator[None]:
    """Meanwhile the master is not there."""
    hosts, aside = bar.master.parent, bar.top / "aside"
    had = hosts.exists()
    if had:
        hosts.rename(aside)
    hosts.touch()
    yield
    hosts.unlink()
    if had:
        aside.rename(hosts)


def content(bar: Standalone) -> dict[str, str]:
    """What the newest revision on the master has."""
    repository = hg.Repository.open(str(bar.master / "foo"))
    [node] = repository.heads()
    return {name.decode(): repository.reader(node)(name).decode() for name in repository.names(node)}


@pytest.mark.slow
@pytest.mark.parametrize("names", [["foo"], ["db"], ["foo", "db"]], ids="-".join)
@pytest.mark.parametrize("changes", [False, True])
def test_one_that_no_master_ever_had(bar: Standalone, names: list[str], changes: bool) -> None:
    with away(bar):
        assert push.push(bar.context()).failure is not None
        for name in names:
            shutil.rmtree(bar.top / "state" / "repos" / name)
    if changes:
        (bar.tree / "two").write_text("two\n")
    pushed = push.push(bar.context())
    assert pushed.failures == ()
    where = {"foo": bar.path, "db": bytes(bar.master / "db")}
    assert [concern.path for concern in pushed.concerns] == [where[name] for name in names]
    assert content(bar) == {"one": "one\n", **({"two": "two\n"} if changes else {})}
    bar.push()


@pytest.mark.slow
def test_what_the_master_has_stays_below(bar: Standalone) -> None:
    bar.push()
    with away(bar):
        (bar.tree / "two").write_text("two\n")
        push.push(bar.context())
        shutil.rmtree(bar.top / "state" / "repos" / "foo")
    (concern,) = push.push(bar.context()).concerns
    assert concern.path == bar.path and "gone" in concern.reason
    assert content(bar) == {"one": "one\n", "two": "two\n"}
    assert len(list(hg.Repository.open(str(bar.master / "foo")).revisions())) == 2
    bar.push()


@pytest.mark.slow
def test_one_that_a_master_may_have_is_waited_for(bar: Standalone) -> None:
    """What is recorded anew beside it would only be another head there."""
    bar.push()
    shutil.rmtree(bar.top / "state" / "repos" / "foo")
    (bar.tree / "two").write_text("two\n")
    with away(bar), pytest.raises(Exception, match="damaged"):
        push.push(bar.context())
    bar.push()
    assert len(list(hg.Repository.open(str(bar.master / "foo")).revisions())) == 2
