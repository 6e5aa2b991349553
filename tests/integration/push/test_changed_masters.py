"""A master whose history has other bytes than were left: damaged, ahead after a push that was killed, or set back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping

import pytest

from pacha.push import deliver, push, session, target
from pacha.push.push import Pushed
from pacha.store import hg
from pacha.store.host_state import MasterState
from pacha.store.snapshot import Snapshot
from tests.support.changegroups import NOBODYS, add_unseen, changegroup, changeset
from tests.support.mercurial import run_hg
from tests.support.stage import copy
from tests.support.world import NOTE, World, one_world, original_world  # noqa: F401  (fixtures)

# What Mercurial leaves open is its own, and closed by the end of a process.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

NOT_AS_LEFT = "not as the last push left it"


def pushed(world: World, text: str = "") -> Pushed:
    """A push by the machine that made this world; of a changed file, if there is a ``text`` for it."""
    (world.tree / "one").write_text(text or "third\n")
    threading.Event().wait(0.02)  # a tick of the clock, which a push would sleep through: no sleep of this world is one
    done = push.push(world.here("bar"))
    assert done.failure is None
    return done


def damage(world: World, name: str) -> None:
    """Other bytes in the middle of a revision: neither the length nor what the index says of heads changes."""
    file = world.store(name) / "00changelog.i"
    data = bytearray(file.read_bytes())
    data[120:124] = bytes(byte ^ 0xFF for byte in data[120:124])
    file.write_bytes(bytes(data))


def concerns(done: Pushed) -> list[bytes]:
    assert all("nothing newer" in one.reason and "hg verify" in one.reason for one in done.concerns), done.concerns
    return [one.path for one in done.concerns]


@pytest.mark.parametrize("name", ["db", "opt"])
def test_a_damaged_history_is_named_until_it_is_mended(world: World, name: str) -> None:
    pushed(world)
    whole = (world.store(name) / "00changelog.i").read_bytes()
    path = bytes(world.repository(name))
    damage(world, name)
    for _ in range(2):
        done = pushed(world)
        assert concerns(done) == [path] and not [one for one in done.notices if NOT_AS_LEFT in one]
    (world.store(name) / "00changelog.i").write_bytes(whole)
    assert not pushed(world).concerns and not pushed(world).notices
    damage(world, name)
    assert concerns(pushed(world, "a new snapshot\n")) == [path]
    assert concerns(pushed(world, "a new snapshot\n")) == [path], "a snapshot on top of it makes it no better"
    world.repository(name).rename(world.top / f"{name}-aside")
    [gone] = pushed(world, "a new snapshot\n").concerns
    assert gone.path == path and gone.reason.startswith("is gone from ")
    again = pushed(world, "a new snapshot\n")
    assert not again.concerns and not again.notices


def masters(world: World, put_back: Mapping[str, MasterState] | None = None) -> Mapping[str, MasterState]:
    state = world.here("bar").state
    if put_back is not None:
        state.update(masters=put_back)
    return state.read().masters


def test_a_push_that_was_killed_before_it_was_recorded_is_no_damage(world: World) -> None:
    before = masters(world)
    pushed(world, "sent\n")
    masters(world, put_back=before)
    done = pushed(world, "sent\n")
    assert not done.concerns and NOT_AS_LEFT in done.notices[0]
    assert not pushed(world, "sent\n").notices


def test_a_machine_that_was_set_back_finds_newer_history_and_says_so(world: World) -> None:
    kept = copy(world.top / "bar", world.top / "kept")
    tip = pushed(world, "later\n").tip
    (world.top / "bar").rename(world.top / "lost")
    kept.rename(world.top / "bar")
    done = pushed(world, "set back\n")
    [told] = done.concerns
    assert tip[:12] in told.reason and "does not remember making" in told.reason
    assert f"Going on from the snapshot {tip[:12]}" in done.notices[-1]
    assert not pushed(world, "set back\n").concerns


@pytest.mark.parametrize("name", ["", "db"], ids=["all of it", "db alone"])
def test_a_master_that_was_set_back_is_named_and_mended(world: World, name: str) -> None:
    older = copy(world.repository(name), world.top / "older")
    tip = pushed(world, "later\n").tip
    world.repository(name).rename(world.top / "newer")
    older.rename(world.repository(name))
    [told] = pushed(world, "later\n").concerns
    assert told.path == bytes(world.repository("db")) and "it was set back" in told.reason and tip[:12] in told.reason
    assert world.here("bar").state.read().concerns == (told,)
    again = pushed(world, "later\n")
    assert not again.concerns and not again.notices


@pytest.mark.parametrize("name", ["", "db", "opt"])
def test_a_master_that_was_emptied_is_named_and_filled(world: World, name: str) -> None:
    pushed(world, "later\n")
    world.repository(name).rename(world.top / "aside")
    [told] = pushed(world, "later\n").concerns
    assert told.path == bytes(world.repository(name or "db")) and told.reason.startswith("is gone from ")
    assert not pushed(world, "later\n").concerns


def test_a_new_master_has_lost_nothing(world: World) -> None:
    """Whether it is empty or has a history of this host already; an old one is not asked what it had."""
    masters(world, put_back={})
    assert not pushed(world, "later\n").concerns
    masters(world, put_back={})
    world.repository("").rename(world.top / "aside")
    assert not pushed(world, "later\n").concerns


def test_content_that_somebody_else_sent_is_named(world: World) -> None:
    pushed(world)
    repository = hg.Repository.open(str(world.repository("opt")))
    made = repository.commit(repository.heads()[0], [b"one"], [], lambda name: hg.Blob(b"forged\n"), NOTE)
    [told] = pushed(world).concerns
    assert told.path == bytes(world.repository("opt")) and made[:12] in told.reason
    pushed(world, "and on\n")
    (world.tree / "one").write_text("in the way\n")
    world.rebuild()
    assert (world.tree / "one").read_text() == "and on\n"


def test_what_was_to_be_told_survives_a_push_that_was_killed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had pulled, or even sent, what made the difference: nobody could see it any more."""
    world.execute("UPDATE watched SET exclude = '[\"*\"]'")
    for owner, step in ((deliver, "deliver"), (session.PushSession, "record")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(owner, step, killed)
            pushed(world, f"{step}\n")
    done = pushed(world, "at last\n")
    assert {one.path for one in done.concerns} == {bytes(world.repository("db")), bytes(world.tree)}
    assert not pushed(world, "at last\n").concerns


def killed(*given: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["db", "opt"])
def test_no_byte_is_overwritten_unsaid(world: World, name: str) -> None:
    """Wherever it is: an error where Mercurial cannot go on, else a concern."""
    pushed(world)
    state, file = world.here("bar").state, world.store(name) / "00changelog.i"
    whole, left = file.read_bytes(), masters(world)
    for at in range(0, len(whole), 13):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        done = push.push(world.here("bar"))
        assert done.failure is not None or done.concerns, at
        state.update(masters=left)
        file.write_bytes(whole)


def test_a_machine_that_cloned_its_history_has_no_doubts(world: World) -> None:
    """As it does where the master's format is not known here: the bytes of a clone are its own."""
    other, where = world.top / "other", world.repository("db")
    run_hg("--config", "format.revlog-compression=none", "clone", "-q", "--pull", "-U", str(where), str(other))
    shutil.rmtree(where)
    other.rename(where)
    world.rebuild()
    assert not push.push(world.here()).concerns


@pytest.mark.parametrize("name", ["db", "opt"])
def test_a_head_that_comes_while_a_push_is_at_work_is_named_once(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By that push, or by the next that sends: it asks for the heads when it begins the conversation."""
    pushed(world)
    real, heads = deliver.deliver, []

    def forge_first(pushing: session.PushSession, snapshot: Snapshot, tip: str) -> bool:
        repository = hg.Repository.open(str(world.repository(name)))
        heads.append(repository.commit(repository.heads()[0], [b"one"], [], lambda name: hg.Blob(b"forged\n"), NOTE))
        return real(pushing, snapshot, tip)

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "deliver", forge_first)
        meanwhile = pushed(world, "later\n").concerns
    [told] = (*meanwhile, *pushed(world, "again\n").concerns)
    assert told.path == bytes(world.repository(name))
    assert heads[0][:12] in told.reason and "does not remember making" in told.reason
    assert not pushed(world, "once more\n").concerns


def test_a_head_that_comes_with_one_that_cannot_be_read_is_named_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are pulled one by one then: the newer one is there already when the other ends the conversation."""
    pushed(world)
    real, heads = deliver.deliver, []

    def forge_first(pushing: session.PushSession, snapshot: Snapshot, tip: str) -> bool:
        path = world.repository("db")
        head = hg.Repository.open(str(path)).heads()[0]
        bad, revision = changeset(bytes.fromhex(head), NOBODYS)
        add_unseen(path, changegroup(revision))
        repository = hg.Repository.open(str(path))
        good = repository.commit(head, [b"pacha.db"], [], lambda name: hg.Blob(b"forged\n"), NOTE)
        heads.extend([bad.hex(), good])
        return real(pushing, snapshot, tip)

    with monkeypatch.context() as patch:
        patch.setattr(deliver, "deliver", forge_first)
        told = [concern.reason for concern in pushed(world, "later\n").concerns]
    assert all(any(node[:12] in reason for reason in told) for node in heads), told


def test_a_head_that_came_just_before_the_end_of_a_push_is_named_by_the_next_that_sends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its closing probe took that for what it had left itself; the next one had no leave to add a head."""
    leave = target.MasterTarget.leave_heartbeat

    def forge_first(self: target.MasterTarget, line: bytes, sent: bool) -> None:
        world.execute("UPDATE watched SET exclude = '[\"*\"]'")
        leave(self, line, sent)

    with monkeypatch.context() as patch:
        patch.setattr(target.MasterTarget, "leave_heartbeat", forge_first)
        pushed(world, "later\n")
    [told] = pushed(world, "again\n").concerns
    assert told.path == bytes(world.repository("db")) and "does not remember making" in told.reason
    assert not pushed(world, "once more\n").concerns
    assert len(hg.Repository.open(str(world.repository("db"))).heads()) == 2
