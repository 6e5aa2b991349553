"""The plan: wanted entries and what is on disk become steps. Pure, so no file is touched here."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.restore.ownership import Identity
from pacha.restore.plan import Action, Plan, Withheld, build
from tests.support.entries import entry_at

ACCOUNTS = Accounts.from_files(
    b"root:x:0:0::/root:/bin/sh\nwww:x:133:33::/var/www:/bin/false\nme:x:1000:1000::/home/me:/bin/sh\n",
    b"root:x:0:\nwww:x:133:\nme:x:1000:\nadm:x:4:\n",
)
ROOT = Identity(0, 0, frozenset({0}))
ME = Identity(1000, 1000, frozenset({1000}))
TOP = entry_at(b"/srv/w", Kind.DIRECTORY, mtime_ns=5)


def file(name: bytes = b"f", **more: Any) -> Entry:
    fields: dict[str, Any] = {"mode": 0o644, "uid": 0, "gid": 0, "owner": b"root", "group": b"root"}
    fields |= {"mtime_ns": 5, "size": 3, "sha256": b"s" * 32} | more
    return Entry(path=b"/srv/w/" + name, kind=fields.pop("kind", Kind.FILE), **fields)


def plan(wanted: list[Entry], found: list[Entry], **more: Any) -> Plan:
    by_path = {entry.path: entry for entry in [TOP, *found]}
    options: dict[str, Any] = {"roots": [b"/srv/w"], "me": ROOT} | more
    return build([TOP, *wanted], by_path, ACCOUNTS, **options)


def actions(made: Plan) -> dict[bytes, Action]:
    return {step.path[len(b"/srv/w/") :]: step.action for step in made.steps if step.path != b"/srv/w"}


@pytest.mark.parametrize(
    ("change", "action", "reason"),
    [
        ({}, Action.SAME, ""),
        ({"size": 4}, Action.REPLACE, "size 4 -> 3"),
        ({"sha256": b"t" * 32}, Action.REPLACE, "content"),
        ({"sha256": None}, Action.REPLACE, "content"),
        ({"mode": 0o4644}, Action.METADATA, "mode 4644 -> 0644"),
        ({"uid": 133}, Action.METADATA, "owner www (133) -> root (0)"),
        ({"gid": 4}, Action.METADATA, "group adm (4) -> root (0)"),
        ({"mtime_ns": 6}, Action.METADATA, "time 1970-01-01 00:00:00.000000006 -> 1970-01-01 00:00:00.000000005"),
        ({"xattrs": ((b"user.a", b"1"),)}, Action.METADATA, "user.a '1' -> none"),
        ({"xattrs": ((b"security.selinux", b"label"),)}, Action.SAME, ""),
        ({"kind": Kind.FIFO, "size": 0, "sha256": None}, Action.REPLACE, "type p -> f"),
        ({"link_group": 7}, Action.REPLACE, "hard links"),
        ({"flags": 0x10, "size": 4}, Action.CANNOT, "what is there is immutable or append-only (lsattr)"),
        ({"flags": 0x10}, Action.SAME, ""),
    ],
)
def test_each_difference_has_its_action(change: dict[str, Any], action: Action, reason: str) -> None:
    step = plan([file()], [file(**change)]).steps[1]
    assert (step.action, step.reason) == (action, reason)


def test_what_is_absent_is_created_and_what_is_not_wanted_is_an_extra() -> None:
    made = plan([file(b"new")], [file(b"old")])
    assert actions(made) == {b"new": Action.CREATE, b"old": Action.EXTRA}
    assert made.steps[2].reason == "left" and made.totals[Action.EXTRA] == 1
    assert plan([file(b"new")], [file(b"old")], delete=True).steps[2].reason == "moved aside"


def test_links_devices_and_modes_of_links_are_compared_as_what_they_are() -> None:
    link = file(kind=Kind.SYMLINK, target=b"a", size=0, sha256=None, mode=0o777)
    assert actions(plan([link], [link._replace(mode=0o755)])) == {b"f": Action.SAME}
    assert actions(plan([link], [link._replace(target=b"b")])) == {b"f": Action.REPLACE}
    null = file(kind=Kind.CHARACTER, device=0x103, size=0, sha256=None)
    assert actions(plan([null], [null._replace(device=0x105)])) == {b"f": Action.REPLACE}


def test_parents_come_before_children_and_nothing_changes_an_existing_parent() -> None:
    srv = entry_at(b"/srv", Kind.DIRECTORY, mode=0o700, uid=133, owner=b"www")
    wanted = [file(b"d/x"), file(b"d", kind=Kind.DIRECTORY, size=0, sha256=None), file(b"d-e")]
    made = build([*wanted, TOP], {}, ACCOUNTS, roots=[b"/srv/w"], parents=[srv], me=ROOT)
    assert [step.path for step in made.steps] == [
        b"/srv",
        b"/srv/w",
        b"/srv/w/d",
        b"/srv/w/d-e",
        b"/srv/w/d/x",
    ]
    there = build([TOP], {b"/srv": srv._replace(mode=0o777)}, ACCOUNTS, roots=[b"/srv/w"], parents=[srv], me=ROOT)
    assert [step.path for step in there.steps] == [b"/srv/w"]


def test_what_lies_in_a_replaced_directory_goes_with_it() -> None:
    directory = file(kind=Kind.DIRECTORY, size=0, sha256=None)
    made = plan([file()], [directory, file(b"f/below")], delete=True)
    assert actions(made) == {b"f": Action.REPLACE}
    kept = plan([file()], [directory, file(b"f/below")], keep=lambda path: path.endswith(b"below"))
    assert actions(kept)[b"f"] is Action.CANNOT


def test_a_kept_path_stays_as_it_is_and_absent_where_it_is_missing() -> None:
    keep = lambda path: path == b"/srv/w/f"  # noqa: E731
    assert actions(plan([file()], [file(size=9)], keep=keep)) == {b"f": Action.KEPT_BY_RULE}
    assert actions(plan([file()], [], keep=keep)) == {b"f": Action.KEPT_BY_RULE}
    assert actions(plan([], [file()], keep=keep, delete=True)) == {b"f": Action.KEPT_BY_RULE}


def test_an_extra_folder_stays_with_what_is_kept_in_it() -> None:
    folder = file(kind=Kind.DIRECTORY, size=0, sha256=None)
    made = plan([], [folder, file(b"f/kept"), file(b"f/other")], keep=lambda path: b"kept" in path, delete=True)
    assert actions(made) == {b"f": Action.WITHHELD, b"f/kept": Action.KEPT_BY_RULE, b"f/other": Action.EXTRA}
    assert made.concerns == () and actions(plan([], [folder], delete=True)) == {b"f": Action.EXTRA}


def test_a_kept_path_needs_no_account_and_is_no_other_name_of_a_file() -> None:
    keep = lambda path: path == b"/srv/w/f"  # noqa: E731
    theirs = plan([file(owner=b"nobody here", uid=54099)], [file()], keep=keep)
    assert (theirs.missing_users, theirs.ownerless, theirs.concerns) == ((), frozenset(), ())
    both = [file(link_group=1), file(b"g", link_group=1)]
    apart = [file(), file(b"g")]
    assert actions(plan(both, apart, keep=keep)) == {b"f": Action.KEPT_BY_RULE, b"g": Action.SAME}
    assert actions(plan(apart, both, keep=keep))[b"g"] is Action.REPLACE, "what is kept shares its inode"


class TestOwners:
    def test_the_name_wins_over_the_number(self) -> None:
        step = plan([file(uid=33, gid=33, owner=b"www", group=b"www", mode=0o4750)], []).steps[1]
        assert (step.uid, step.gid, step.mode, step.exact) == (133, 133, 0o4750, True)

    def test_a_number_without_a_name_stays_while_nobody_has_it(self) -> None:
        step = plan([file(uid=4711, gid=4712, owner=None, group=None)], []).steps[1]
        assert (step.uid, step.gid, step.exact) == (4711, 4712, True)

    @pytest.mark.parametrize(
        ("owner", "unmatched"),
        [
            ({"uid": 55, "owner": b"gone"}, "owner gone (55)"),
            ({"uid": 133, "owner": None}, "owner number 133"),
            ({"gid": 55, "group": b"gone"}, "group gone (55)"),
            ({"gid": 4, "group": None}, "group number 4"),
            ({"uid": 2**32 - 1, "owner": None}, "owner number 4294967295"),
        ],
    )
    def test_who_cannot_be_matched_is_root_alone(self, owner: dict[str, Any], unmatched: str) -> None:
        acls = ((b"security.capability", b"c"), (b"system.posix_acl_access", b"a"), (b"user.x", b"x"))
        made = plan([file(mode=0o7755, xattrs=acls, **owner)], [])
        step = made.steps[1]
        assert (step.uid, step.gid, step.mode, step.exact) == (0, 0, 0o700, False)
        assert step.xattrs == ((b"user.x", b"x"),)
        assert [concern.path for concern in made.concerns] == [b"/srv/w/f"]
        assert made.concerns[0].reason.startswith(unmatched)

    def test_missing_names_are_listed_once(self) -> None:
        more = {"owner": b"u", "group": b"g", "uid": 55, "gid": 55}
        made = plan([file(b"a", **more), file(b"b", **more)], [])
        assert (made.missing_users, made.missing_groups) == ((b"u",), (b"g",))

    def test_a_hostile_owner_name_is_shown_escaped(self) -> None:
        reason = plan([file(owner=b"\x1b[31m")], []).concerns[0].reason
        assert reason.isprintable()

    def test_a_plain_user_gives_what_he_may(self) -> None:
        wanted = file(mode=0o6754, xattrs=((b"security.capability", b"c"), (b"user.x", b"x")))
        made = plan([wanted], [], me=ME)
        step = next(step for step in made.steps if step.path == wanted.path)
        # His own group gets what everybody gets, and no more.
        assert (step.uid, step.gid, step.mode) == (1000, 1000, 0o744)
        assert step.xattrs == ((b"user.x", b"x"),) and not step.exact
        mine = plan([file(uid=1000, gid=1000, owner=b"me", group=b"me", mode=0o6754)], [], me=ME)
        assert next(step.mode for step in mine.steps if step.path == wanted.path) == 0o6754

    def test_devices_and_sockets_are_named(self) -> None:
        null = file(kind=Kind.CHARACTER, device=0x103, size=0, sha256=None)
        assert actions(plan([null], [], me=ME)) == {b"f": Action.CANNOT}
        assert actions(plan([null], [])) == {b"f": Action.CREATE}
        socket = plan([null._replace(kind=Kind.SOCKET)], [])
        assert actions(socket) == {b"f": Action.CANNOT} and socket.concerns


class TestHardLinks:
    def test_a_group_in_place_stays(self) -> None:
        wanted = [file(b"a", link_group=1), file(b"b", link_group=1)]
        found = [entry._replace(link_group=99) for entry in wanted]
        assert set(actions(plan(wanted, found)).values()) == {Action.SAME}

    @pytest.mark.parametrize(
        "groups",
        [(None, None, None), (9, 9, 9), (9, None, 9), (8, 9, 8)],
        ids=["apart", "all one", "another pair", "numbers"],
    )
    def test_another_grouping_is_made_anew(self, groups: tuple[int | None, ...]) -> None:
        wanted = [file(b"a", link_group=1), file(b"b", link_group=1), file(b"c")]
        found = [entry._replace(link_group=group) for entry, group in zip(wanted, groups, strict=True)]
        made = actions(plan(wanted, found))
        assert made[b"a"] is made[b"b"] is Action.REPLACE
        assert made[b"c"] is (Action.SAME if groups[2] is None else Action.REPLACE)

    def test_metadata_of_linked_files_is_changed_on_a_copy(self) -> None:
        wanted = [file(b"a", link_group=1), file(b"b", link_group=1)]
        found = [entry._replace(link_group=99, mode=0o600) for entry in wanted]
        assert set(actions(plan(wanted, found)).values()) == {Action.REPLACE}


@pytest.mark.parametrize("flags", [0x10, 0x20])
def test_what_nobody_can_move_is_named_before_it_is_tried(flags: int) -> None:
    made = plan([], [file(flags=flags)], delete=True)
    assert actions(made) == {b"f": Action.CANNOT}
    assert [concern.path for concern in made.concerns] == [b"/srv/w/f"]
    left = plan([], [file(flags=flags)], delete=False)
    assert actions(left) == {b"f": Action.EXTRA} and left.concerns == (), "it stays anyway"


def test_a_name_that_cannot_change_has_the_others_linked_only_once() -> None:
    wanted = [file(name, link_group=1) for name in (b"a", b"b", b"c")]
    stuck = file(b"a", flags=0x10, link_group=7)
    first = actions(plan(wanted, [stuck, file(b"b", link_group=7), file(b"c")]))
    assert first == {b"a": Action.CANNOT, b"b": Action.REPLACE, b"c": Action.REPLACE}
    second = actions(plan(wanted, [stuck._replace(link_group=None), *(file(x, link_group=9) for x in (b"b", b"c"))]))
    assert second == {b"a": Action.CANNOT, b"b": Action.SAME, b"c": Action.SAME}
    right = [file(b"a", flags=0x10, link_group=7), *(file(x, link_group=7) for x in (b"b", b"c"))]
    assert set(actions(plan(wanted, right)).values()) == {Action.SAME}


def test_recorded_flags_that_are_not_set_are_named() -> None:
    made = plan([file(flags=0x10)], [])
    assert [concern.reason for concern in made.concerns] == ["had chattr +i: set it by hand"]
    assert plan([file(flags=0x10)], [file(flags=0x10)]).concerns == ()
    assert plan([file(flags=0x20081)], []).concerns == ()  # a new one gets them
    assert [concern.reason for concern in plan([file(flags=0x20081)], [file(flags=0x80)]).concerns] == [
        "had chattr +sT: set it by hand"
    ]
    assert [concern.reason for concern in plan([file(flags=0x40)], [file(flags=0xB0)]).concerns] == [
        "had chattr +d -iaA: set it by hand"
    ]
    assert [concern.reason for concern in plan([file(flags=0x20000000)], []).concerns] == [
        "had chattr +P: set it by hand, and its project (chattr -p)"
    ]


entries = st.builds(
    file,
    st.sampled_from([b"a", b"b", b"c", b"a/x", b"a/y"]),
    kind=st.sampled_from(Kind),
    mode=st.integers(0, 0o7777),
    owner=st.sampled_from([b"root", b"www", b"gone", None]),
    uid=st.sampled_from([0, 33, 133, 4711]),
    link_group=st.sampled_from([None, 1, 2]),
    mtime_ns=st.integers(0, 2),
    flags=st.sampled_from([0, 0x10]),
)


@pytest.mark.slow
@given(st.lists(entries, unique_by=lambda e: e.path), st.lists(entries, unique_by=lambda e: e.path))
def test_every_wanted_path_has_one_step_and_setuid_is_never_somebody_elses(
    wanted: list[Entry], found: list[Entry]
) -> None:
    made = plan(wanted, found)
    paths = [step.path for step in made.steps]
    assert paths == sorted(set(paths))
    assert {entry.path for entry in wanted} <= set(paths)
    for step in made.steps:
        if step.wanted is not None and step.mode & 0o6000:
            assert step.wanted.owner != b"gone" and (step.exact or step.wanted.flags)


@pytest.mark.slow
@given(st.lists(entries, unique_by=lambda e: e.path))
def test_what_is_as_wanted_needs_nothing(wanted: list[Entry]) -> None:
    known = [e._replace(owner=b"root", uid=0, link_group=None) for e in wanted]
    assert set(actions(plan(known, known)).values()) <= {Action.SAME}


PATH_TAKING = {
    "chmod", "chown", "lchown", "link", "mkdir", "mkfifo", "mknod", "open", "readlink", "remove", "rename",
    "replace", "rmdir", "stat", "lstat", "symlink", "unlink", "utime", "access", "makedirs", "removedirs",
    "walk", "scandir", "setxattr", "removexattr", "listxattr", "getxattr", "chdir", "chroot", "truncate",
}  # fmt: skip
# Through a descriptor of its own or its /proc/self/fd name; the state folder is Pacha's own.
BY_REFERENCE = {"reference"}
OWN_FOLDER = {"journal.py"}


def test_nothing_in_restore_follows_a_path() -> None:
    """Every call that takes a path gives it with a directory descriptor, or takes a held inode."""
    folder = Path(importlib.import_module("pacha.restore").__file__ or "").parent
    wrong = []
    for module in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and module.name not in OWN_FOLDER and not _confined(node):
                wrong.append(f"{module.name}:{node.lineno}")
    assert wrong == []


def _confined(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id != "open"
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return True
    if function.value.id in ("shutil", "glob"):
        return False
    if function.value.id != "os" or function.attr not in PATH_TAKING:
        return True
    given = {keyword.arg for keyword in call.keywords}
    first = call.args[0]
    held = isinstance(first, ast.Name) and first.id in BY_REFERENCE
    start = isinstance(first, ast.Constant) and first.value == b"/"
    return held or start or "dir_fd" in given or {"src_dir_fd", "dst_dir_fd"} <= given


def test_what_is_withheld_stays_is_named_and_lacks_something() -> None:
    held = Withheld("its disk is not here", "it is put aside")
    wanted = [file(name) for name in (b"absent", b"other", b"same")]
    made = plan(wanted, [file(b"other", size=9), file(b"same")], withheld={e.path: held for e in wanted}.get)
    assert actions(made) == {b"absent": Action.WITHHELD, b"other": Action.WITHHELD, b"same": Action.SAME}
    assert [(concern.path, concern.reason) for concern in made.concerns] == [
        (b"/srv/w/absent", "its disk is not here; it is put aside"),
        (b"/srv/w/other", "its disk is not here; it is put aside"),
    ]
    assert not made.changes and [step.exact for step in made.steps] == [True, False, False, True]


def test_what_is_this_machines_own_is_not_moved_aside() -> None:
    folder, own = file(b"d", kind=Kind.DIRECTORY, sha256=None), file(b"d/own")
    held = {own.path: Withheld("its own", "there was none")}.get
    assert actions(plan([], [folder, own, file(b"extra")], delete=True, withheld=held)) == {
        b"d": Action.WITHHELD, b"d/own": Action.WITHHELD, b"extra": Action.EXTRA,
    }  # fmt: skip
    assert set(actions(plan([], [folder, own], withheld=held)).values()) == {Action.EXTRA}
