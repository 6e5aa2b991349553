"""The accounts that a snapshot records, and what is said of owners that nothing names."""

from __future__ import annotations

import grp
import os
import pwd
import struct

import pytest

from pacha.files import user_namespace
from pacha.files.entry import Entry, Kind
from pacha.files.name_service import KnownNames
from pacha.files.owners import Account, Accounts
from pacha.push import accounts

FILE = Entry(b"/a", Kind.FILE, 0o644, 5000, 6000, None, None, 0, 1)


def test_an_account_for_which_nothing_answers_stays_as_it_was_recorded() -> None:
    entries = {b"/a": FILE._replace(owner=b"gone", group=b"root")}
    gone = Account(name=b"gone", is_group=False, number=5000, gid=6000)
    group = Account(name=b"team", is_group=True, number=6000)
    others = [Account(name=b"other", is_group=False, number=5001)]
    recorded = accounts.recorded_accounts(entries, {}, Accounts.of_machine(), [gone, group, *others])
    assert {gone, group} < set(recorded) and not set(others) & set(recorded)
    assert b"root" in {account.name for account in recorded}


def test_whom_only_an_acl_names_is_recorded() -> None:
    user, group = pwd.getpwuid(1), grp.getgrgid(2)
    value = struct.pack("<I", 2) + struct.pack("<HHI", 2, 4, 1) + struct.pack("<HHI", 8, 4, 2)
    entries = {b"/a": FILE._replace(owner=b"root", group=b"root", xattrs=((b"system.posix_acl_access", value),))}
    recorded = accounts.recorded_accounts(entries, {}, Accounts.of_machine(), [])
    named = {(account.is_group, account.name, account.number) for account in recorded}
    assert {(False, os.fsencode(user.pw_name), 1), (True, os.fsencode(group.gr_name), 2)} <= named


def test_a_number_that_keeps_its_recorded_name_is_told_at_the_first_of_its_paths() -> None:
    entries = {path: FILE._replace(path=path) for path in (b"/b", b"/a")}
    (user, group) = accounts.kept_names(KnownNames(Accounts.of_machine(), {5000: b"gone"}, {7000: b"team"}), entries)
    assert user.path == b"/a" and "its owner 5000 has no name now" in user.reason
    assert group.path == b"/etc/nsswitch.conf" and "team" in group.reason


def test_what_the_user_namespace_does_not_map_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {path: FILE._replace(path=path, uid=user_namespace.OVERFLOW) for path in (b"/b", b"/a")}
    assert list(accounts.unmapped(entries)) == []
    monkeypatch.setattr(user_namespace, "is_partial", lambda: True)
    (concern,) = accounts.unmapped(entries)
    assert concern.path == b"/a" and "owner" in concern.reason and "2 paths" in concern.reason
