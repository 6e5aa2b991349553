"""A head on the master that is no snapshot ends no host's pushes: they go on beside it, and say so."""

from __future__ import annotations

import os
import threading

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push
from pacha.store import hg
from pacha.store.hg import bounds
from pacha.store.revision import MOST
from tests.support.world import NOTE, World, one_world, original_world  # noqa: F401  (fixtures)

pytestmark = [
    pytest.mark.usefixtures("as_root"),
    # Mercurial leaves files of its own open for the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def add(world: World, behind: int, image: bytes = b"no database\n") -> str:
    """Let a thief add a snapshot that is none on top of the newest but ``behind`` on the master."""
    repository = hg.Repository.open(str(world.repository("db")))
    parent = list(repository.revisions())[behind]
    return repository.commit(parent, [b"pacha.db"], [], lambda name: hg.Blob(image), NOTE)


def machine(world: World, name: str) -> Context:
    """One that watches the tree; ``bar`` has pushed it."""
    made = world.here(name)
    if name != "bar":
        watch.watch(made, os.fsencode(world.tree))
    return made


def write(world: World, text: str) -> None:
    (world.tree / "one").write_text(text)
    threading.Event().wait(0.02)  # a tick of the clock, which a push would sleep through: no sleep of this world is one


def pushed(bar: Context) -> tuple[push.Pushed, list[str]]:
    """A push that left the master up to date, and what it is concerned about."""
    done = push.push(bar)
    assert done.failure is None
    return done, [concern.reason for concern in done.concerns]


@pytest.mark.parametrize("behind", [0, 1], ids=["on the newest", "beside it"])
def test_what_is_no_database(world: World, behind: int) -> None:
    write(world, "third\n")
    bar, added = machine(world, "bar"), add(world, behind)
    done, concerns = pushed(bar)
    assert len(concerns) == 1 and added[:12] in concerns[0] and "not a database" in concerns[0]
    assert next(hg.Repository.open(str(world.repository("db"))).revisions()) == done.tip, "the newest is whole again"
    write(world, "fourth\n")
    assert pushed(bar)[1] == [] and pushed(bar)[0].committed is False
    world.rebuild()
    assert (world.tree / "one").read_text() == "fourth\n"


def test_several_and_one_of_rows_that_make_no_sense(world: World) -> None:
    world.spoil(lambda connection: connection.execute("UPDATE entry SET mode = 262143"))
    rows = next(hg.Repository.open(str(world.repository("db"))).revisions())
    added = [rows, add(world, 0), add(world, 3, b"")]
    write(world, "fourth\n")
    _, concerns = pushed(machine(world, "bar"))
    assert len(concerns) == 3 and all(any(node[:12] in said for said in concerns) for node in added)
    assert pushed(machine(world, "bar"))[1] == []
    world.rebuild()
    assert (world.tree / "one").read_text() == "fourth\n"


def test_where_nothing_is_whole_a_machine_without_a_past_does_not_go_on(world: World) -> None:
    """Else it would push under a name that may be another machine's."""
    for number in range(25):
        add(world, 0, b"%d" % number)
    done = push.push(machine(world, "fresh"))
    assert isinstance(done.failure, DamagedError)


def test_a_forged_snapshot_below_more_garbage_than_is_looked_at_is_told_of(world: World) -> None:
    world.execute("UPDATE watched SET exclude = '[\"*\"]'")
    for number in range(20):
        add(world, 0, b"%d" % number)
    _, concerns = pushed(machine(world, "bar"))
    assert len(concerns) == 21 and any("none of the newest 20 revisions is a snapshot" in said for said in concerns)


def test_a_machine_without_a_past_is_still_refused_as_another_one(world: World) -> None:
    add(world, 0)
    with pytest.raises(PachaError) as refused:
        push.push(machine(world, "fresh"))
    assert refused.value.code == "pushed-by-another-machine"


BOMB = bytes(MOST + 1)


def bomb(world: World, name: str, file: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a thief add a revision of a few kilobytes that expands to more than is taken."""
    with monkeypatch.context() as patch:
        patch.setattr(bounds, "_PACKED", 1 << 30)
        repository = hg.Repository.open(str(world.repository(name)))
        return repository.commit(repository.heads()[0], [file], [], lambda stored: hg.Blob(BOMB), NOTE)


@pytest.mark.parametrize(("name", "file"), [("db", b"pacha.db"), ("opt", b"one")])
def test_what_expands_without_end_is_not_even_pulled(
    world: World, name: str, file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = bomb(world, name, file, monkeypatch)
    write(world, "fourth\n")
    _, concerns = pushed(machine(world, "bar"))
    assert [text for text in concerns if added[:12] in text and "expand to more than 64 MiB" in text]
    assert all(added[:12] in text for text in concerns), "and that this machine did not make it"
    assert not hg.Repository.open(str(world.top / "bar" / "repos" / name)).has(added)
    write(world, "fifth\n")
    assert pushed(machine(world, "bar"))[1], "as long as it is there"
    world.rebuild()
    assert (world.tree / "one").read_text() == "fifth\n"
