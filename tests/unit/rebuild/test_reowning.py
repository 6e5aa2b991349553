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

NOBODY = AccountsBefore(files=None, known=None)


def planned(
    before: AccountsBefore,
    target: Path,
    *keep: str,
    policy: AccountPolicy | None = None,
    interrupted: InterruptedRenumbering = InterruptedRenumbering(),  # noqa: B008
) -> PlannedReowning:
    root = os.fsencode(target)
    options = RebuildOptions(target=root, accounts=policy)
    kept = Keep(rules=rules(keep), roots=(), target=root, system=True)
    plan = Plan(steps=(), roots=(), delete=False)
    return plan_owners(plan, before, accounts(os.getuid() + 1), options, kept, interrupted, (), restored=True)


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


def test_a_renumbering_that_was_interrupted_goes_before_another_policy(machine: Path) -> None:
    interrupted = InterruptedRenumbering(moved=IdChanges(users={1001: 1002}))
    for policy in (AccountPolicy.KEEP, AccountPolicy.LEAVE):
        with pytest.raises(UsageError) as caught:
            planned(NOBODY, machine, policy=policy, interrupted=interrupted)
        assert caught.value.code == "renumbering-unfinished"
