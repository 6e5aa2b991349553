"""The pre-flight: what the file systems of this machine will not let happen is found before anything is changed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pacha.files.entry import EVERYWHERE, Entry, Kind
from pacha.restore.plan import Action, Plan, hindered
from pacha.restore.preflight import Findings
from pacha.restore.preflight import preflight as fly
from pacha.system.mounts import mounts
from tests.support.applying import alike, contents, look, make, new_tree, old_tree, plan_for, rebuild
from tests.support.entries import entry_at
from tests.support.stage import small_disk

pytestmark = pytest.mark.usefixtures("as_root")


def flight(plan: Plan, **more: object) -> Findings:
    return fly(plan, more.pop("holes", {}), [mount.path for mount in mounts()], **more)  # type: ignore[arg-type]


def wanted_at(root: Path) -> dict[bytes, Entry]:
    """The entries of the new tree, which is gone again."""
    new_tree(root)
    wanted = look(root)
    subprocess.run(["rm", "-rf", root], check=True)
    return wanted


def test_nothing_stands_in_the_way_of_an_ordinary_plan(tmp_path: Path) -> None:
    wanted = wanted_at(tmp_path / "watched")
    assert flight(plan_for(tmp_path / "watched", wanted)) == Findings()
    old_tree(tmp_path / "watched")
    assert flight(plan_for(tmp_path / "watched", wanted, delete=True)) == Findings()


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """Of a folder that hooks are to unmount, for example."""
    wanted = wanted_at(tmp_path / "watched")
    old_tree(tmp_path / "watched")
    before = os.listdir("/proc/self/fd")
    flight(plan_for(tmp_path / "watched", wanted))
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_mount_point_is_neither_replaced_nor_moved_away(tmp_path: Path) -> None:
    root = tmp_path / "watched"
    wanted = wanted_at(root)
    old_tree(root)
    (root / "extra" / "deep").mkdir()
    make(tmp_path / "other", b"mounted")
    places = (root / "was-file", root / "was-directory", root / "extra" / "deep")
    with small_disk(places[1], "1m"), small_disk(places[2], "1m"):
        subprocess.run(["mount", "--bind", tmp_path / "other", places[0]], check=True)
        try:
            found = flight(plan_for(root, wanted, delete=True)).hindrances
        finally:
            subprocess.run(["umount", places[0]], check=True)
    mounted = dict.fromkeys(map(os.fsencode, places), "a file system is mounted on it")
    assert found == mounted | {os.fsencode(root / "extra"): "a file system is mounted below it"}


def test_a_read_only_file_system_is_named_and_nothing_is_tried(tmp_path: Path) -> None:
    root = tmp_path / "watched"
    wanted = wanted_at(root)
    with small_disk(root, "1m"):
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        plan = plan_for(root, wanted)
        found = flight(plan).hindrances
        assert set(found.values()) == {"its file system is mounted read-only"}
        made = hindered(plan, found)
        below = {step.path: step for step in made.steps if step.path != os.fsencode(root)}
        assert {step.action for step in below.values()} == {Action.CANNOT}
        leaf = below[os.fsencode(root / "was-file" / "deep" / "leaf")]
        assert leaf.reason == "its directory cannot be made"
        assert {concern.path for concern in made.concerns} == set(below)


def test_too_small_a_file_system_is_found_before_it_is_filled(tmp_path: Path) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    make(root / "large", bytes(3 << 20))
    wanted = look(root)
    (root / "large").unlink()
    with small_disk(root, "1m"):
        (shortage,) = flight(plan_for(root, wanted)).shortages
        assert (shortage.path, shortage.inodes) == (os.fsencode(root), False)
        assert shortage.needed > 3 << 20 > shortage.free
        holes = {os.fsencode(root / "large"): 3 << 20}
        assert flight(plan_for(root, wanted), holes=holes).shortages == (shortage,), "it had no holes"
        sparse = {path: entry._replace(holes=EVERYWHERE) for path, entry in wanted.items()}
        assert flight(plan_for(root, sparse), holes=holes).shortages == ()


def test_too_few_inodes_are_found(tmp_path: Path) -> None:
    root = tmp_path / "watched"
    wanted = wanted_at(root)
    root.mkdir()
    with small_disk(root, "1m", ["nr_inodes=4"]):
        (shortage,) = flight(plan_for(root, wanted)).shortages
    assert shortage.inodes and shortage.needed > 4 > shortage.free


def test_what_shares_an_inode_is_counted_once(tmp_path: Path) -> None:
    root = tmp_path / "watched"
    root.mkdir()
    make(root / "one", bytes(600 << 10))
    os.link(root / "one", root / "two")
    wanted = look(root)
    subprocess.run(["rm", root / "one", root / "two"], check=True)
    with small_disk(root, "1m"):
        assert flight(plan_for(root, wanted)).shortages == ()


def test_a_link_on_the_way_that_would_be_refused_is_refused_now(tmp_path: Path) -> None:
    root = tmp_path / "theirs" / "watched"
    root.parent.mkdir()
    wanted = wanted_at(root)
    root.parent.rename(tmp_path / "elsewhere")
    os.chown(tmp_path, 54001, 0)
    (tmp_path / "theirs").symlink_to("elsewhere")
    found = flight(plan_for(root, wanted)).hindrances
    assert found[os.fsencode(root)].startswith("its directory cannot be reached")


def test_a_target_that_is_still_to_be_made_stands_in_no_way(tmp_path: Path) -> None:
    target = tmp_path / "not" / "there"
    wanted = [entry_at(os.fsencode(target / "etc"), Kind.DIRECTORY, mtime_ns=5)]
    plan = plan_for(target / "etc", {entry.path: entry for entry in wanted})
    assert flight(plan, target=os.fsencode(target)) == Findings()
    assert flight(plan).hindrances == {wanted[0].path: "its directory cannot be reached: no such file or directory"}


def test_an_immutable_directory_lets_nothing_in_it_be_replaced(tmp_path: Path) -> None:
    root, state = tmp_path / "watched", tmp_path / "state"
    state.mkdir()
    wanted = wanted_at(root)
    source = contents({})
    old_tree(root)
    subprocess.run(["chattr", "+i", root / "sub"], check=True)
    try:
        plan = plan_for(root, {p: e for p, e in wanted.items() if p.startswith(os.fsencode(root / "sub"))})
        steps = {step.path.rpartition(b"/")[2]: step for step in plan.steps}
        assert steps[b"two"].action is Action.CANNOT and "immutable" in steps[b"two"].reason
        before = alike(look(root))
        rebuild(root, {p: e for p, e in wanted.items() if p == os.fsencode(root / "sub" / "two")}, source, state)
        assert alike(look(root)) == before
    finally:
        subprocess.run(["chattr", "-i", root / "sub"], check=True)
