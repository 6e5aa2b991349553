"""Names and numbers of accounts: of this machine, and of passwd and group files."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.files.owners import Account, Accounts, describe
from pacha.rebuild.passwd import keep_numbers

PASSWD = b"""root:x:0:0:root:/root:/bin/bash
toor:x:0:0:another root:/root:/bin/sh
www:x:33:33::/var/www:/usr/sbin/nologin
www:x:34:34:second line of a name::
+::::::
# a comment
broken
:x:5:5::
odd:x:-1:0::/:
odd2:x:abc:0::/:
caf\xc3\xa9:x:1000:1000::/home/c:/bin/sh
"""
GROUP = b"root:x:0:\nstaff:x:50:a,b\nadm:x:50:\nnobody:*:65534:\n"


def test_the_first_line_of_a_number_and_of_a_name_wins() -> None:
    accounts = Accounts.from_files(PASSWD, GROUP)
    assert accounts.user_name(0) == b"root"
    assert (accounts.uid(b"root"), accounts.uid(b"toor")) == (0, 0)
    assert accounts.uid(b"www") == 33
    assert accounts.user_name(34) == b"www"
    assert (accounts.group_name(50), accounts.gid(b"adm")) == (b"staff", 50)
    assert accounts.uid("caf\u00e9".encode()) == 1000


@pytest.mark.parametrize("number", [b"4294967295", b"99999999999", b"9" * 5000])
def test_a_number_that_no_account_can_have_is_passed_over(number: bytes) -> None:
    """Python refuses to read thousands of digits, and chown(2) takes the first for "leave as it is"."""
    line = b"huge:x:" + number + b":1::/:\n"
    assert Accounts.from_files(line + b"a:x:5:5:::\n", line).uids == {b"a": 5}
    keep_numbers(line, line, Accounts.from_files(b"", b""))


def test_lines_that_make_no_sense_are_passed_over() -> None:
    accounts = Accounts.from_files(PASSWD, GROUP)
    for name in (b"", b"+", b"broken", b"odd", b"odd2", b"# a comment"):
        assert accounts.uid(name) is None
    assert accounts.user_name(5) is None
    assert accounts.group_name(51) is None and accounts.gid(b"none") is None


@given(st.binary(max_size=200), st.lists(st.sampled_from([b":", b"\n", b"0", b"9", b"a", b"x", b"-"])).map(b"".join))
def test_any_bytes_can_stand_in_the_files(one: bytes, other: bytes) -> None:
    accounts = Accounts.from_files(one, other)
    for number, name in accounts.groups.items():
        assert name and number >= 0 and accounts.gid(name) is not None


def test_this_machine() -> None:
    accounts = Accounts.of_machine()
    for user in pwd.getpwall():
        assert accounts.uid(os.fsencode(user.pw_name)) == pwd.getpwnam(user.pw_name).pw_uid
        assert accounts.user_name(user.pw_uid) == os.fsencode(pwd.getpwuid(user.pw_uid).pw_name)
    for group in grp.getgrall():
        assert accounts.group_name(group.gr_gid) == os.fsencode(grp.getgrgid(group.gr_gid).gr_name)


def test_describing_gives_what_is_needed_to_make_an_account_again() -> None:
    daemon = pwd.getpwnam("daemon")
    described = describe([b"daemon", b"no-such-user"], [b"mail"])
    assert [account.is_group for account in described] == sorted((a.is_group for a in described), reverse=True)
    user = described[-1]
    assert user == Account(
        name=b"daemon",
        is_group=False,
        number=daemon.pw_uid,
        gid=daemon.pw_gid,
        home=os.fsencode(daemon.pw_dir),
        login_shell=os.fsencode(daemon.pw_shell),
        groups=tuple(sorted(os.fsencode(g.gr_name) for g in grp.getgrall() if "daemon" in g.gr_mem)),
    )
    groups = {account.name: account.number for account in described if account.is_group}
    assert groups[b"mail"] == grp.getgrnam("mail").gr_gid
    assert daemon.pw_gid in groups.values()


def test_describing_is_in_a_stable_order() -> None:
    users = [os.fsencode(user.pw_name) for user in pwd.getpwall()]
    groups = [os.fsencode(group.gr_name) for group in grp.getgrall()]
    assert describe(users, groups) == describe(reversed(users), reversed(groups))
