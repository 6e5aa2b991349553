"""A new snapshot in the form that its own readers accept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pacha.errors import PachaError
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Account
from pacha.push.readable import readable
from pacha.store import row_checks, rows
from pacha.store.consistency import check_consistency
from pacha.store.snapshot import Snapshot, Watched

TOP = Entry(path=b"/srv/w", kind=Kind.DIRECTORY, mode=0o755, uid=0, gid=0, owner=b"root", group=b"root", mtime_ns=1)
FILE = TOP._replace(path=b"/srv/w/f", kind=Kind.FILE, mode=0o644, sha256=bytes(32), stored=b"f")
SRV = TOP._replace(path=b"/srv")
WATCHED = Watched(path=b"/srv/w", single=False, repository="w")
JDOE = Account(name=b"jdoe", is_group=False, number=1, gid=1, home=b"/h", login_shell=b"/bin/sh", groups=(b"a", b"b"))


def snapshot(*entries: Entry, parents: tuple[Entry, ...] = (SRV,), accounts: tuple[Account, ...] = ()) -> Snapshot:
    every = {entry.path: entry for entry in (TOP, *entries)}
    return Snapshot({}, (WATCHED,), every, {entry.path: entry for entry in parents}, accounts)


def accepted(new: Snapshot, *concerns: str) -> Snapshot:
    """What is made of it; the readers accept that, and ``concerns`` are said."""
    found = readable(new, Snapshot())
    for entry in (*found.snapshot.entries.values(), *found.snapshot.parents.values()):
        row_checks.checked_entry(rows.from_entry(entry))
    check_consistency(found.snapshot)
    assert len(found.concerns) == len(concerns)
    for concern, words in zip(found.concerns, concerns, strict=True):
        assert words in f"{concern.path.decode()}: {concern.reason}"
    return found.snapshot


def test_what_is_accepted_stays_as_it_is() -> None:
    new = snapshot(FILE, accounts=(JDOE,))
    assert accepted(new) is new


def test_an_attribute_that_is_refused_is_left_out() -> None:
    spoilt = FILE._replace(xattrs=((b"Finder", b"1"), (b"user.a", b"2")))
    made = accepted(snapshot(spoilt), "/srv/w/f: kept without what no snapshot can hold: attribute Finder")
    assert made.entries[FILE.path].xattrs == ((b"user.a", b"2"),)
    assert readable(snapshot(spoilt), Snapshot()).corrected == {FILE.path}


def test_a_path_that_is_refused_is_left_out_with_all_below() -> None:
    folder = TOP._replace(path=b"/srv/w/d", uid=2**32 - 1)
    below, beside = FILE._replace(path=b"/srv/w/d/f"), FILE._replace(path=b"/srv/w/d2")
    made = accepted(snapshot(folder, below, beside), "/srv/w/d: not kept")
    assert made.entries.keys() == {TOP.path, beside.path}


def test_a_parent_that_is_not_a_folder() -> None:
    link = SRV._replace(kind=Kind.SYMLINK, target=b"/data/srv")
    assert accepted(snapshot(FILE, parents=(link,)), "/srv: its owner and mode are not kept").parents == {}


@pytest.mark.parametrize(
    ("account", "expected", "words"),
    [
        (replace(JDOE, home=b"/h:h"), replace(JDOE, home=b""), "without its home"),
        (replace(JDOE, login_shell=b"a\n"), replace(JDOE, login_shell=b""), "without its login shell"),
        (replace(JDOE, groups=(b"a", b"b:c")), replace(JDOE, groups=(b"a",)), "without its groups"),
        (replace(JDOE, name=b"-j"), None, "is not described"),
        (replace(JDOE, name=b"j:", home=b"/h:h"), None, "is not described"),
    ],
)
def test_an_account_that_is_refused(account: Account, expected: Account | None, words: str) -> None:
    made = accepted(snapshot(FILE, accounts=(JDOE, account)), words)
    assert made.accounts == ((JDOE,) if expected is None else (JDOE, expected))


def test_what_was_checked_before_is_not_checked_again() -> None:
    spoilt = FILE._replace(xattrs=((b"Finder", b"1"),))
    assert readable(snapshot(spoilt), snapshot(spoilt)).concerns == ()


def test_a_snapshot_that_has_no_such_form_is_not_made() -> None:
    with pytest.raises(PachaError) as caught:
        readable(replace(snapshot(FILE), watched=()), Snapshot())
    assert caught.value.code == "snapshot-not-readable"
