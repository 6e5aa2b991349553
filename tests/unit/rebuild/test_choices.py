"""The choices of a rebuild hold for the next one until nothing is left to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.errors import Concern, UsageError
from pacha.rebuild import choices
from pacha.rebuild.options import AccountPolicy, OwnerNames, PackagePolicy, RebuildOptions
from pacha.restore.outcome import Outcome
from pacha.store.host_state import RebuildChoices
from tests.support.proposing import proposal, rebuilt
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

CHOSEN = RebuildOptions(
    keep=("/etc/fstab",), accounts=AccountPolicy.KEEP, owner_names=OwnerNames(users={b"ann": b"bob"})
)


def test_the_next_rebuild_has_them_too(bar: Standalone) -> None:
    choices.remember(bar.context(), "bar", CHOSEN)
    next_time = choices.with_remembered(bar.context(), "bar", RebuildOptions(keep=("/etc/hosts",)))
    assert next_time.keep == ("/etc/hosts", "/etc/fstab") and next_time.accounts is AccountPolicy.KEEP
    assert next_time.owner_names == CHOSEN.owner_names
    assert next_time.remembered.keep == ("/etc/fstab",) and next_time.remembered.owner_map


def test_how_packages_are_installed_holds_until_they_are(bar: Standalone) -> None:
    choices.remember(bar.context(), "bar", CHOSEN, PackagePolicy.BY_NAME)
    next_time = choices.with_remembered(bar.context(), "bar", RebuildOptions())
    assert next_time.packages is next_time.remembered.packages is PackagePolicy.BY_NAME
    given = choices.with_remembered(bar.context(), "bar", RebuildOptions(packages=PackagePolicy.LIST))
    assert given.packages is PackagePolicy.LIST and given.remembered.packages is None
    choices.installed(bar.context(), "bar")
    after = choices.with_remembered(bar.context(), "bar", RebuildOptions())
    assert after.packages is None and after.remembered.keep == CHOSEN.keep


def test_what_is_given_again_is_not_remembered(bar: Standalone, tmp_path: Path) -> None:
    choices.remember(bar.context(), "bar", CHOSEN)
    (tmp_path / "map").write_text("u:ann:carl\n")
    given = RebuildOptions(accounts=AccountPolicy.LEAVE, keep=CHOSEN.keep, owner_map=tmp_path / "map")
    next_time = choices.with_remembered(bar.context(), "bar", given)
    assert next_time.accounts is AccountPolicy.LEAVE and next_time.keep == CHOSEN.keep
    assert not next_time.remembered
    (tmp_path / "map").write_text("no map\n")
    with pytest.raises(UsageError):
        choices.with_remembered(bar.context(), "bar", given)


@pytest.mark.parametrize("host, target", [("other", b""), ("bar", b"/mnt")])
def test_another_host_and_another_place_have_none(bar: Standalone, host: str, target: bytes) -> None:
    choices.remember(bar.context(), "bar", CHOSEN)
    next_time = choices.with_remembered(bar.context(), host, RebuildOptions(target=target))
    assert next_time.keep == () and next_time.accounts is AccountPolicy.RENUMBER


def test_below_a_target_nothing_is_remembered(bar: Standalone) -> None:
    choices.remember(bar.context(), "bar", replace(CHOSEN, target=b"/mnt"))
    assert bar.context().state.read().choices == {}


def test_they_are_settled_once_nothing_is_left(bar: Standalone) -> None:
    before = choices.remember(bar.context(), "bar", CHOSEN)
    left = Outcome(Counter(), concerns=(Concern(b"/opt", "not restored"),))
    choices.settle(bar.context(), CHOSEN, before, rebuilt(proposal(), left))
    assert bar.context().state.read().choices["bar"].keep == CHOSEN.keep
    choices.settle(bar.context(), CHOSEN, before, rebuilt(proposal()))
    assert bar.context().state.read().choices == {}


def test_what_changed_nothing_leaves_those_of_before(bar: Standalone) -> None:
    choices.remember(bar.context(), "bar", CHOSEN)
    before = choices.remember(bar.context(), "bar", replace(CHOSEN, keep=("/etc/new",)))
    choices.take_back(bar.context(), "bar", before)
    assert bar.context().state.read().choices["bar"] == RebuildChoices(
        keep=CHOSEN.keep, accounts="keep", users={b"ann": b"bob"}
    )
