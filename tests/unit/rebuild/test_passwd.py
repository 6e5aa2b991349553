"""passwd and group with this machine's numbers: names keep together what was together, and apart what was not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.files.owners import Accounts
from pacha.rebuild.passwd import keep_numbers

names = st.sampled_from([b"root", b"www", b"db", b"mail", b"ann", b"bob", b"nobody"])
numbers = st.sampled_from([0, 33, 100, 101, 999, 1000, 1001, 65534])
#: names and numbers as a sane machine has them: no number twice
sane = st.dictionaries(names, numbers).filter(lambda d: len(set(d.values())) == len(d))


def passwd(users: dict[bytes, int], groups: dict[bytes, int]) -> bytes:
    primary = list(groups.values()) or [65000]
    lines = [
        b"%s:x:%d:%d:Full Name:/home/x:/bin/sh\n" % (n, u, primary[i % len(primary)])
        for i, (n, u) in enumerate(users.items())
    ]
    return b"# a comment\n" + b"".join(lines) + b"+::::::\n"


def group(groups: dict[bytes, int]) -> bytes:
    return b"".join(b"%s:x:%d:ann,bob\n" % pair for pair in groups.items())


def machine(users: dict[bytes, int], groups: dict[bytes, int]) -> Accounts:
    return Accounts.from_files(passwd(users, groups), group(groups))


def without_numbers(text: bytes) -> list[list[bytes]]:
    return [
        [field for place, field in enumerate(line.split(b":")) if place not in (2, 3)] for line in text.split(b"\n")
    ]


@pytest.mark.slow
@given(sane, sane, sane, sane)
def test_names_of_this_machine_keep_its_numbers(
    users: dict[bytes, int], groups: dict[bytes, int], here_users: dict[bytes, int], here_groups: dict[bytes, int]
) -> None:
    here = machine(here_users, here_groups)
    old = passwd(users, groups), group(groups)
    made = keep_numbers(*old, here)
    after = Accounts.from_files(*made)
    assert after.uids.keys() == users.keys() and after.gids.keys() == groups.keys()
    for name, number in here_users.items():
        assert after.uids.get(name, number) == number
    for number, name in here.users.items():
        assert after.users.get(number, name) == name, "no other name gets a number that is somebody's here"
    for number, name in here.groups.items():
        assert after.groups.get(number, name) == name
    assert len(after.users) == len(users) and len(after.groups) == len(groups)
    for name, number in users.items():
        if name not in here_users and number not in here_users.values():
            assert after.uids[name] == number, "what is free stays"
    assert [without_numbers(text) for text in made] == [without_numbers(text) for text in old]
    before = Accounts.from_files(*old)
    for was, now in zip(old[0].splitlines(), made[0].splitlines(), strict=True):
        fields, others = was.split(b":"), now.split(b":")
        if len(fields) > 3 and fields[3].isdigit() and int(fields[3]) in before.groups:
            assert after.groups[int(others[3])] == before.groups[int(fields[3])], "the primary group is the same"


@given(sane, sane)
def test_the_machines_own_files_stay_as_they_are(users: dict[bytes, int], groups: dict[bytes, int]) -> None:
    old = passwd(users, groups), group(groups)
    assert keep_numbers(*old, machine(users, groups)) == old


def test_a_second_name_for_a_number_stays_with_the_first() -> None:
    text = b"root:x:0:0::/:\ntoor:x:0:0::/:\nwww:x:33:33::/:\nalso:x:33:33::/:\n"
    made, _ = keep_numbers(text, b"", Accounts({0: b"root", 133: b"www"}, {}, {b"root": 0, b"www": 133}, {}))
    assert [line.split(b":")[2] for line in made.splitlines()] == [b"0", b"0", b"133", b"133"]


def test_no_number_left_among_the_systems() -> None:
    here = Accounts({n: b"n%d" % n for n in range(1000)}, {}, {b"n%d" % n: n for n in range(1000)}, {})
    made, _ = keep_numbers(b"new:x:200:200::/:\n", b"", here)
    assert made.split(b":")[2] == b"1000"
