"""The safe rule: who cannot be matched by name never becomes somebody else, and nobody gets more than was recorded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.files.entry import Entry, Kind
from pacha.files.owners import Accounts
from pacha.files.user_namespace import OVERFLOW
from pacha.restore.ownership import Attributes, Identity, Match, Matcher, attributes

ACCOUNTS = Accounts.from_files(
    b"root:x:0:0:::\nwww:x:133:133:::\nme:x:1000:1000:::\n", b"root:x:0:\nwww:x:133:\nme:x:1000:\n"
)
ROOT, ME = Identity(0, 0, frozenset({0})), Identity(1000, 1000, frozenset({1000, 133}))
ACL, CAPABILITY = (b"system.posix_acl_access", b"a"), (b"security.capability", b"c")
NUMBER = st.sampled_from([0, 133, 1000, 55, 2**32 - 2, 2**32 - 1])
NAME = st.sampled_from([b"root", b"www", b"me", b"gone", None])


def entry(**more: Any) -> Entry:
    fields: dict[str, Any] = {
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
        "owner": b"root",
        "group": b"root",
        "mtime_ns": 5,
    } | more
    return Entry(path=b"/f", kind=Kind.FILE, **fields)


def given_to(found: Entry, me: Identity = ROOT) -> tuple[Attributes, str]:
    return attributes(found, Matcher(ACCOUNTS, me).match(found), me)


@pytest.mark.parametrize(
    ("recorded", "ids"),
    [
        ({"uid": 33, "gid": 33, "owner": b"www", "group": b"www"}, (133, 133)),
        ({"uid": 55, "gid": 56, "owner": None, "group": None}, (55, 56)),
        ({"uid": 2**32 - 2, "owner": None}, (2**32 - 2, 0)),
        ({"uid": 0, "gid": 0, "owner": None, "group": None}, (0, 0)),
    ],
)
def test_the_name_counts_and_a_number_only_while_it_is_nobodys(recorded: dict[str, Any], ids: tuple[int, int]) -> None:
    found, difference = given_to(entry(mode=0o4750, xattrs=(ACL, CAPABILITY), **recorded))
    assert (found.uid, found.gid, found.mode, difference) == (*ids, 0o4750, "")
    assert found.xattrs == (ACL, CAPABILITY)


def test_what_a_user_namespace_hid_is_given_to_nobody_here() -> None:
    """The kernel shows every owner that it does not map as the same number: it says nothing of who it was."""
    found, _ = given_to(entry(mode=0o4755, uid=OVERFLOW, gid=OVERFLOW, owner=None, group=None))
    assert (found.uid, found.gid, found.mode) == (0, 0, 0o700)


def test_names_that_are_missing_are_remembered_once_and_numbers_are_not() -> None:
    matcher = Matcher(ACCOUNTS, ROOT)
    for found in (
        entry(owner=b"gone", uid=7),
        entry(owner=b"gone", uid=8),
        entry(group=b"lost"),
        entry(owner=None, uid=133),
    ):
        assert matcher.match(found).unmatched
        assert matcher.match(found) is matcher.match(found)
    assert (list(matcher.missing_users), list(matcher.missing_groups)) == ([b"gone"], [b"lost"])


@given(NAME, NUMBER, NAME, NUMBER, st.integers(0, 0o7777), st.sampled_from([ROOT, ME]))
def test_who_is_not_matched_leaves_it_to_its_new_owner_alone(
    owner: bytes | None, uid: int, group: bytes | None, gid: int, mode: int, me: Identity
) -> None:
    found = entry(owner=owner, uid=uid, group=group, gid=gid, mode=mode, xattrs=(ACL, CAPABILITY, (b"user.x", b"")))
    match = Matcher(ACCOUNTS, me).match(found)
    attributes_, difference = attributes(found, match, me)
    if match.unmatched:
        assert me is ROOT or (attributes_.uid, attributes_.gid) == (me.uid, me.gid)
        assert attributes_.mode & ~0o700 == 0 and attributes_.xattrs == ((b"user.x", b""),) and difference
    elif me is not ROOT:
        assert attributes_.uid == me.uid and attributes_.gid in me.groups
        assert not [name for name, _ in attributes_.xattrs if name.startswith((b"security.", b"trusted."))]
        if match.uid != me.uid:
            assert not attributes_.mode & 0o6000
    assert attributes_.mode & ~mode & ~0o070 == 0, "nobody but the group of everybody's gets more"
    assert difference.isprintable() and attributes_.mtime_ns == 5


def test_a_plain_users_own_group_gets_no_more_than_everybody() -> None:
    recorded = entry(owner=b"me", uid=1000, mode=0o2775, xattrs=(ACL,))
    assert attributes(recorded, Match(1000, 0), ME)[0] == Attributes(1000, 1000, 0o755, 5)
    recorded = entry(owner=b"me", uid=1000, group=b"www", gid=33, mode=0o2770, xattrs=(ACL,))
    assert given_to(recorded, ME) == (Attributes(1000, 133, 0o2770, 5, (ACL,)), "")
