"""``pacha.rebuild.keep``: the patterns are those of pacha.exclude, and a folder takes all below it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import ConfigError, UsageError
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.rebuild.actual_state import is_system
from pacha.rebuild.keep import Keep, rules, tops
from pacha.rebuild.options import RebuildOptions
from pacha.rebuild.planning import plan_rebuild
from pacha.rebuild.renumber import Reowning
from pacha.restore.plan import Action, Step
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at


def keep(*patterns: str, target: bytes = b"", system: bool = True) -> Keep:
    roots = [Watched(path=target + b"/etc", single=False, repository="etc")]
    return Keep(rules=rules(patterns), roots=roots, target=target, system=system)


@pytest.mark.parametrize(
    ("pattern", "path", "is_directory", "kept"),
    [
        ("/etc/network", b"/etc/network", True, True),
        ("/etc/network", b"/etc/network/a/b", False, True),
        ("/etc/network/", b"/etc/network", True, True),
        ("/etc/network/", b"/etc/network/a/b", False, True),
        ("/etc/network/", b"/etc/network", False, False),
        ("/etc/network", b"/etc/networks", False, False),
        ("/etc/net*", b"/etc/networks", False, True),
        ("/etc/net*", b"/etc/network/a", False, True),
        ("/etc/network/**", b"/etc/network", True, False),
        ("/etc/network/**", b"/etc/network/a/b", False, True),
        ("network/a", b"/etc/network/a", False, True),
        ("etc/network", b"/etc/network/a", False, True),
        ("fstab", b"/etc/deep/fstab", False, True),
        ("network/", b"/etc/deep/network/x", False, True),
        ("/", b"/etc/fstab", False, False),
        ("/etc/[fg]stab", b"/etc/fstab", False, True),
    ],
)
def test_a_pattern_is_one_of_exclude(pattern: str, path: bytes, is_directory: bool, kept: bool) -> None:
    assert keep(pattern).matches(path, is_directory) is kept


def test_without_patterns_nothing_is_kept() -> None:
    assert not keep().matches(b"/etc/fstab", False)


def test_a_target_that_is_a_system_is_kept_as_one(tmp_path: Path) -> None:
    rescued = keep("/etc/network", target=b"/mnt")
    assert rescued.matches(b"/mnt/etc/network/a", False) and not rescued.matches(b"/mnt/etc/fstab", False)
    assert rescued.keeps(b"/mnt/etc/network/a", {}, {}), "absent there, it is not made"
    look = keep("/etc/network", "fstab", target=b"/srv/look", system=False)
    assert not look.matches(b"/srv/look/etc/network", True)
    assert not look.keeps(b"/srv/look/etc/fstab", {}, {}), "nothing of a system is missing there"
    assert not keep("srv", target=b"/srv/look", system=False).matches(b"/srv/look/etc/fstab", False)
    target = os.fsencode(tmp_path)
    assert is_system(b"") and not is_system(target)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").touch()
    assert is_system(target)


def test_a_folder_on_either_side_is_one() -> None:
    folder = {b"/etc/x": entry(b"/etc/x", Kind.DIRECTORY)}
    link = {b"/etc/x": entry(b"/etc/x", Kind.SYMLINK)}
    assert keep("/etc/x/").keeps(b"/etc/x", folder, link) and keep("/etc/x/").keeps(b"/etc/x", link, folder)
    assert not keep("/etc/x/").keeps(b"/etc/x", link, link)


def test_only_the_highest_of_what_is_kept_is_named() -> None:
    assert tops([b"/etc/a", b"/etc/a-b", b"/etc/a/b", b"/etc/c/d"]) == (b"/etc/a", b"/etc/a-b", b"/etc/c/d")


def test_a_part_that_is_kept_is_refused() -> None:
    keep("/etc/network").check([b"/etc"])
    with pytest.raises(UsageError) as caught:
        keep("/etc/network").check([b"/etc/network/a"])
    assert caught.value.code == "path-kept"


def test_a_pattern_that_is_none_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigError) as caught:
        rules(["/etc/[z-a]"])
    assert "[z-a]" in caught.value.why


def test_what_is_kept_is_not_reowned_but_named_once_a_folder() -> None:
    paths = [b"/etc/network/a", b"/etc/network/b", b"/etc/x"]
    steps = tuple(
        Step(path=path, action=Action.METADATA, wanted=entry(path), actual=entry(path), uid=7) for path in paths
    )
    left = keep("/etc/network").sparing(Reowning(steps))
    assert [step.path for step in left.steps] == [b"/etc/x"]
    assert [concern.path for concern in left.concerns] == [b"/etc/network"] and "(paths: 2)" in left.concerns[0].reason


def entry(path: bytes, kind: Kind = Kind.FILE) -> Entry:
    return entry_at(path, kind, mode=0o644, mtime_ns=5)


def test_the_plan_keeps_account_files_that_are_absent_here(tmp_path: Path) -> None:
    """Those that are not made do not say whose the files are."""
    top = Watched(path=os.fsencode(tmp_path), single=False, repository="top")
    wanted = entry(os.fsencode(tmp_path / "passwd"))
    snapshot = Snapshot(watched=(top,), entries={wanted.path: wanted})
    planned = plan_rebuild(snapshot, {}, RebuildOptions(keep=(f"{tmp_path}/passwd",)))
    assert [(step.path, step.action) for step in planned.plan.steps if step.wanted] == [
        (wanted.path, Action.KEPT_BY_RULE)
    ]
    assert Accounts.of_machine().users and planned.names_by == "this machine's accounts"
