"""Keys change: a new one takes over without a gap, a stolen one counts no more, and the counter only goes on."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pacha.errors import DamagedError, PachaError
from pacha.fetch import retry
from pacha.host.context import Context
from pacha.push import push
from pacha.rebuild import rebuild, restore_db
from tests.support.amount import by_turns
from tests.support.signing import BAR, Forger, SignedWorld, make, public
from tests.support.stage import copy

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(name="original", scope="module")
def original_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedWorld]:
    top = tmp_path_factory.mktemp("signed").resolve() / "w"
    top.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(top))
        yield make(top)


@pytest.fixture(name="world")
def signed_world(original: SignedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignedWorld]:
    """The world at its place, as it was: its paths are recorded."""
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    safe = copy(original.top, tmp_path / "safe")
    yield original
    shutil.rmtree(original.top)
    copy(safe, original.top)


def signing(world: SignedWorld, key: str, state: str = "bar-state") -> Context:
    """The machine bar, or another of that name, with this key."""
    return world.here.context(state, sign_key=str(world.key(key)))


def stated(context: Context) -> int:
    return context.state.read().stated["bar"].counter


def signer(world: SignedWorld, at: str = "") -> str:
    """Who signed what a fresh machine would rebuild: the line of its public key. Raises what the rebuild does."""
    shutil.rmtree(world.top / "fresh", ignore_errors=True)
    proposal = rebuild.propose(world.machine("fresh"), "bar", rebuild.RebuildOptions(at=at))
    assert proposal.signed is not None and proposal.differences == ()
    return proposal.signed.key


def a_new_key_takes_over_without_a_gap(world: SignedWorld) -> None:
    old = signer(world)
    # First the new key is let in, from now on; then the host uses it.
    now = time.strftime("%Y%m%d%H%M%S", time.localtime(time.time() - 1))
    with world.signers.open("a") as file:
        file.write(f'{BAR},valid-after="{now}" {public(world.key("thief"))}\n')
    assert signer(world) == old
    before = push.push(signing(world, "thief"))
    assert before.committed, "the newest snapshot is signed anew although nothing changed"
    new = signer(world)
    assert new != old and stated(signing(world, "thief")) == 5
    assert not push.push(signing(world, "thief")).committed
    # Then the old one ends: what it signed before that still counts, at its own time.
    last = int(time.time()) + 1  # the last second in which it counts
    ends = time.strftime("%Y%m%d%H%M%S", time.localtime(last))
    lines = world.signers.read_text().replace(
        f"{BAR} {public(world.key('bar'))}", f'{BAR},valid-before="{ends}" {public(world.key("bar"))}'
    )
    world.signers.write_text(lines)
    nodes = Forger(world, world.top / "hosts").nodes()
    assert signer(world) == new and signer(world, nodes[1]) == old
    (world.here.tree / "one").write_text("by the old key\n")
    threading.Event().wait(max(0.0, last + 1 - time.time()))
    assert push.push(signing(world, "bar")).failures == ()
    with pytest.raises(DamagedError) as caught:
        signer(world)
    assert caught.value.code == "signer-not-allowed"


def what_a_revoked_key_signed_counts_no_more_and_the_next_push_mends_that(world: SignedWorld) -> None:
    world.revoked.write_text(f"{public(world.key('stolen'))}\n{public(world.key('bar'))}\n")
    with pytest.raises(DamagedError) as caught:
        signer(world)
    assert caught.value.code == "signer-revoked"
    with world.signers.open("a") as file:
        file.write(f"{BAR} {public(world.key('thief'))}\n")
    assert push.push(signing(world, "thief")).committed
    assert signer(world)


def the_counter_goes_on_after_adoption_and_restore_db(world: SignedWorld) -> None:
    rebuilt = rebuild.rebuild(world.machine("second"), "bar")
    assert rebuilt.adopted
    second = signing(world, "bar", "second")
    (world.here.tree / "one").write_text("on the second machine\n")
    assert push.push(second).failures == () and stated(second) == 5
    assert signer(world)
    restore_db.restore_db(world.machine("third"), "bar")
    third = signing(world, "bar", "third")
    (world.here.tree / "one").write_text("on the third machine\n")
    assert push.push(third).failures == () and stated(third) == 6
    assert signer(world)


def a_machine_that_was_set_back_goes_on_from_what_its_own_key_signed(world: SignedWorld) -> None:
    shutil.copytree(world.top / "bar-state", world.top / "old-state", symlinks=True)
    for number in range(3):
        (world.here.tree / "one").write_text(f"later {number}\n")
        assert push.push(signing(world, "bar")).failures == ()
    (world.here.tree / "one").write_text("after the virtual machine was set back\n")
    old = signing(world, "bar", "old-state")
    assert push.push(old).failures == ()
    assert stated(old) == 8


def a_thief_of_the_access_key_does_not_choose_the_numbers(world: SignedWorld) -> None:
    forger = Forger(world, world.top / "hosts")
    forger.add(forger.restate("thief", counter=10**14))
    (world.here.tree / "one").write_text("mine\n")
    assert push.push(signing(world, "bar")).failures == ()
    assert stated(signing(world, "bar")) == 5
    assert signer(world)


def a_host_that_begins_to_sign_signs_what_it_has(world: SignedWorld) -> None:
    unsigned = world.here.context("bar-state", sign_key="no")
    (world.here.tree / "one").write_text("without a signature\n")
    assert push.push(unsigned).committed
    with pytest.raises(DamagedError) as caught:
        signer(world)
    assert caught.value.code == "snapshot-unsigned"
    assert not push.push(unsigned).committed
    assert push.push(signing(world, "bar")).committed and stated(signing(world, "bar")) == 5
    assert signer(world)


def a_key_that_was_named_has_to_sign(world: SignedWorld) -> None:
    (world.here.tree / "one").write_text("which key?\n")
    missing = world.here.context("bar-state", sign_key=str(world.top / "missing"))
    with pytest.raises(PachaError) as caught:
        push.push(missing)
    assert caught.value.code == "signing-failed" and caught.value.exit_code == 1
    assert push.push(signing(world, "bar")).committed and signer(world)


def sshd_s_key_signs_where_it_can_and_is_no_reason_to_fail(world: SignedWorld) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACHA_HOST_KEY", str(world.key("bar")))
        (world.here.tree / "one").write_text("by sshd's\n")
        assert push.push(world.here.context("bar-state")).committed and signer(world)
        broken = world.top / "broken"
        broken.write_text("no key\n")
        broken.chmod(0o600)
        patch.setenv("PACHA_HOST_KEY", str(broken))
        (world.here.tree / "one").write_text("by nobody\n")
        pushed = push.push(world.here.context("bar-state"))
        assert pushed.committed and pushed.failures == () and any("not signed" in notice for notice in pushed.notices)
        assert not push.push(world.here.context("bar-state")).committed
        with pytest.raises(DamagedError):
            signer(world)


def a_rebuild_by_a_plain_copy_needs_nothing_of_this(world: SignedWorld) -> None:
    """Who does not ask for signatures reads signed snapshots as any others, and an older Pacha does."""
    plain = world.here.context("plain")
    assert plain.config.signers is None
    proposal = rebuild.propose(plain, "bar")
    assert proposal.signed is None and proposal.snapshot.meta["readable_from"] == "1"


SCENES = [
    a_new_key_takes_over_without_a_gap,
    what_a_revoked_key_signed_counts_no_more_and_the_next_push_mends_that,
    the_counter_goes_on_after_adoption_and_restore_db,
    a_machine_that_was_set_back_goes_on_from_what_its_own_key_signed,
    a_thief_of_the_access_key_does_not_choose_the_numbers,
    a_host_that_begins_to_sign_signs_what_it_has,
    a_key_that_was_named_has_to_sign,
    sshd_s_key_signs_where_it_can_and_is_no_reason_to_fail,
    a_rebuild_by_a_plain_copy_needs_nothing_of_this,
]


@pytest.mark.soak
@pytest.mark.parametrize("scene", by_turns(SCENES, 3), ids=lambda scene: scene.__name__)
def test_keys_change(world: SignedWorld, scene: Callable[[SignedWorld], None]) -> None:
    scene(world)
