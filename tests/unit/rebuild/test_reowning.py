"""Which files outside the snapshot change their owner: those of accounts that get another number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import UsageError
from pacha.files.owners import Accounts
from pacha.rebuild.actual_state import AccountsBefore
from pacha.rebuild.id_changes import IdChanges
from pacha.rebuild.keep import Keep, rules
from pacha.rebuild.options import AccountPolicy, RebuildOptions
from pacha.rebuild.renumber import InterruptedRenumbering
from pacha.rebuild.reowning import PlannedReowning, plan_owners
from pacha.restore.plan import Plan
from pacha.store.host_state import Orphans

NOBODY = AccountsBefore(files=None, known=None)


def planned(
    before: AccountsBefore,
    target: Path,
    *keep: str,
    policy: AccountPolicy | None = None,
    interrupted: InterruptedRenumbering = InterruptedRenumbering(),  # noqa: B008
    remembered: tuple[Orphans, ...] = (),
) -> PlannedReowning:
    root = os.fsencode(target)
    options = RebuildOptions(target=root, accounts=policy)
    kept = Keep(rules=rules(keep), roots=(), target=root, system=True)
    plan = Plan(steps=(), roots=(), delete=False)
    after = accounts(os.getuid() + 1)
    return plan_owners(plan, before, after, options, kept, interrupted, remembered, restored=True)


def accounts(uid: int) -> Accounts:
    return Accounts.from_files(b"foo:x:%d:%d::/:/bin/sh\n" % (uid, os.getgid()), b"foo:x:%d:\n" % os.getgid())


@pytest.fixture(name="machine")
def machine_with_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "file").touch()
    return tmp_path


def test_a_file_follows_the_name_of_its_owner(machine: Path) -> None:
    here = accounts(os.getuid())
    before = AccountsBefore(files=here, known=here)
    owners = planned(before, machine)
    (step,) = [step for step in owners.reowning.steps if step.path == os.fsencode(machine / "file")]
    assert step.uid == os.getuid() + 1 and owners.walked and owners.changes
    left = planned(before, machine, policy=AccountPolicy.LEAVE)
    assert left.reowning.steps == () and left.reowning.concerns and not left.walked
    kept = planned(before, machine, "file")
    assert os.fsencode(machine / "file") not in {step.path for step in kept.reowning.steps}


def test_a_folder_that_is_not_a_machine_re_owns_nothing(machine: Path) -> None:
    assert planned(NOBODY, machine) == PlannedReowning()


def test_only_root_gives_files_to_others(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = accounts(os.getuid())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert planned(AccountsBefore(files=here, known=here), machine) == PlannedReowning()


@pytest.mark.parametrize("is_below", [True, False])
def test_what_an_earlier_rebuild_left_to_nobody_is_given_back_below_the_same_target(
    machine: Path, is_below: bool
) -> None:
    settled = accounts(os.getuid() + 1)
    file, target = os.fsencode(machine / "file"), os.fsencode(machine) if is_below else b"/elsewhere"
    orphan = Orphans(name=b"foo", is_group=False, number=os.getuid(), count=1, target=target, paths=(file,))
    owners = planned(AccountsBefore(files=settled, known=settled), machine, remembered=(orphan,))
    assert (file in {step.path for step in owners.reowning.steps}) is is_below


def test_a_renumbering_that_was_interrupted_is_remembered_until_it_is_done(machine: Path) -> None:
    """The account files were restored already: nothing but what was remembered tells the numbers of before."""
    restored, moved = accounts(os.getuid() + 1), IdChanges(users={1001: 1002})
    before = AccountsBefore(files=restored, known=restored)
    assert planned(before, machine, interrupted=InterruptedRenumbering(moved=moved)).changes == moved


def test_a_renumbering_that_was_interrupted_goes_before_another_policy(machine: Path) -> None:
    interrupted = InterruptedRenumbering(moved=IdChanges(users={1001: 1002}))
    for policy in (AccountPolicy.KEEP, AccountPolicy.LEAVE):
        with pytest.raises(UsageError) as caught:
            planned(NOBODY, machine, policy=policy, interrupted=interrupted)
        assert caught.value.code == "renumbering-unfinished"
