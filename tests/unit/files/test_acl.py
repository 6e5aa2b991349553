"""POSIX ACLs as attributes: the numbers in them, read and mapped, against what setfacl makes and getfacl reads."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from pacha.files import acl

ACCESS, DEFAULT = b"system.posix_acl_access", b"system.posix_acl_default"
OWNER, USER, GROUP_OWNER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NONE = 2**32 - 1
ids = st.integers(0, 2**32 - 2)
rights = st.integers(0, 7)


def value(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def entries(data: bytes) -> list[tuple[int, int, int]]:
    return list(struct.iter_unpack("<HHI", data[4:]))  # type: ignore[arg-type]


@st.composite
def acls(draw: st.DrawFn) -> bytes:
    """One that the kernel would take: each tag's entries in ascending order of their ids."""
    users = sorted(draw(st.dictionaries(ids, rights, max_size=4)).items())
    groups = sorted(draw(st.dictionaries(ids, rights, max_size=4)).items())
    named = [(USER, r, i) for i, r in users], [(GROUP, r, i) for i, r in groups]
    return value((OWNER, 7, NONE), *named[0], (GROUP_OWNER, 5, NONE), *named[1], (MASK, 7, NONE), (OTHER, 0, NONE))


@given(acls())
def test_the_same_numbers_give_the_same_acl(data: bytes) -> None:
    pairs = ((b"security.x", b"1"), (ACCESS, data), (b"user.x", data))
    assert acl.mapped(pairs, lambda n: n, lambda n: n) == (pairs, ())


@given(acls())
def test_there_and_back(data: bytes) -> None:
    def other(number: int) -> int:
        return (2**32 - 2) - number

    there, _ = acl.mapped(((ACCESS, data),), other, other)
    assert acl.mapped(there, other, other) == (((ACCESS, data),), ())
    users, groups = acl.numbers(((ACCESS, data),))
    assert acl.numbers(there) == ({other(n) for n in users}, {other(n) for n in groups})


@given(acls())
def test_a_number_that_there_is_not_is_left_out_and_named(data: bytes) -> None:
    users, groups = acl.numbers(((DEFAULT, data),))
    made, lost = acl.mapped(((DEFAULT, data),), lambda n: None, lambda n: n)
    assert acl.numbers(made) == (set(), groups)
    assert set(lost) == {f"user {number}" for number in users}
    kept = [entry for entry in entries(data) if entry[0] != USER]
    assert entries(made[0][1]) == kept, "all else is as it was"


@given(acls())
def test_ids_of_a_tag_stay_in_ascending_order(data: bytes) -> None:
    made, _ = acl.mapped(((ACCESS, data),), lambda n: n ^ 0x5555, lambda n: n ^ 0xFF)
    keys = [(tag, number) for tag, _, number in entries(made[0][1]) if tag in (USER, GROUP)]
    assert keys == sorted(keys)


@given(st.binary(max_size=60))
def test_what_is_no_acl_is_kept_as_it_is(data: bytes) -> None:
    if data[:4] != struct.pack("<I", 2):
        assert acl.mapped(((ACCESS, data),), lambda n: None, lambda n: None) == (((ACCESS, data),), ())
    assert acl.numbers(((b"user.acl", data),)) == (set(), set())


def test_two_accounts_that_become_one() -> None:
    """There is one entry for an id (acl(5)): it has what both of them had."""
    data = value(
        (OWNER, 7, NONE), (USER, 6, 10), (USER, 4, 20), (GROUP_OWNER, 5, NONE), (MASK, 7, NONE), (OTHER, 0, NONE)
    )
    made, _ = acl.mapped(((ACCESS, data),), lambda n: 30, lambda n: n)
    assert [entry for entry in entries(made[0][1]) if entry[0] == USER] == [(USER, 4, 30)]
