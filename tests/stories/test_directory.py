"""Accounts of a directory service, which answers for each of them and lists none: whose files are they after all?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.directory import Entry, directory
from tests.support.machine import Machine, Person

pytestmark = pytest.mark.usefixtures("as_root")
DATA = "/srv/data"
#: Names as directories have them: a domain, a space, an address, digits alone.
NAMES = (b"jdoe", b"CORP\\mail users", b"ann@example.org", b"70009")
FIRST, ELSEWHERE = 70001, 80001
HERE = tuple(Entry(name=name, number=FIRST + i, groups=(FIRST,)) for i, name in enumerate(NAMES))
THERE = tuple(Entry(name=name, number=ELSEWHERE + i) for i, name in enumerate(NAMES))


@pytest.fixture
def bar(tmp_path: Path) -> Machine:
    """A machine that has pushed a private file of each of the directory's accounts, and its own account files."""
    made = Machine(tmp_path / "root")
    for i in range(len(NAMES)):
        made.write(f"{DATA}/{i}", FIRST + i, FIRST + i, 0o600)
    with directory(made, *HERE):
        made.pacha("watch", DATA, "/etc")
        made.pacha("push")
    return made


def owners(bar: Machine) -> list[tuple[int, int, str]]:
    """Owner, group and mode of each file."""
    return [bar.whose(f"{DATA}/{i}") for i in range(len(NAMES))]


def test_their_files_follow_their_names(bar: Machine) -> None:
    """Also where the rebuild restores /etc/passwd, which has none of them."""
    bar.lose(DATA)
    with directory(bar, *THERE):
        bar.pacha("rebuild", "bar", "--yes")
    assert owners(bar) == [(ELSEWHERE + i, ELSEWHERE + i, "0600") for i in range(len(NAMES))]


def test_nobody_else_gets_them(bar: Machine) -> None:
    """The new machine has no directory, and gave the number to somebody else."""
    bar.lose(DATA)
    bar.populate(Person("mallory", FIRST))
    done = bar.pacha("rebuild", "bar", "--yes", "--path", DATA, code=3)
    assert owners(bar) == [(0, 0, "0600")] * len(NAMES)
    assert f"jdoe ({FIRST})" in done.err and "ann@example.org" in done.err


def test_nobody_else_gets_them_from_a_directory(bar: Machine) -> None:
    """A number without a name belongs to nobody only if the directory does not know it."""
    nameless = FIRST + 77
    bar.write(f"{DATA}/nameless", nameless, nameless, 0o600)
    with directory(bar, *HERE):
        bar.pacha("push")
    bar.lose(DATA)
    with directory(bar, *HERE, Entry(name=b"mallory", number=nameless)):
        bar.pacha("rebuild", "bar", "--yes", code=3)
    assert bar.whose(f"{DATA}/nameless") == (0, 0, "0600")


def test_a_restored_account_with_the_number_of_a_directory_s(bar: Machine) -> None:
    """The number is mallory's as soon as her account file is there."""
    bar.populate(Person("mallory", ELSEWHERE))
    with directory(bar, *HERE):
        bar.pacha("push")
    bar.populate()
    bar.lose(DATA)
    with directory(bar, *THERE):
        bar.pacha("rebuild", "bar", "--yes", code=3)
    assert bar.whose(f"{DATA}/0") == (0, 0, "0600")


def test_files_outside_follow_an_account_that_becomes_local(bar: Machine) -> None:
    """jdoe is the directory's here, under another number than in the account files that are restored."""
    bar.populate(Person("jdoe", 61001))
    with directory(bar, *HERE):
        bar.pacha("push")
    bar.populate()
    outside = bar.write("/opt/outside", ELSEWHERE, ELSEWHERE, 0o600)
    bar.lose(DATA)
    with directory(bar, *THERE):
        bar.pacha("rebuild", "bar", "--yes", "--accounts", "renumber", code=None)
    assert (outside.stat().st_uid, outside.stat().st_gid) == (61001, 61001)


def test_a_name_stays_while_the_directory_does_not_answer(bar: Machine) -> None:
    bar.at("/etc/nsswitch.conf").write_text("passwd: files sss\ngroup: files sss\n")
    with directory(bar, *HERE):
        bar.pacha("push")
    done = bar.pacha("push", code=3)
    assert "nothing changed" in done.out, "no name was lost"
    assert f"{DATA}/0: its owner {FIRST} has no name now" in done.err and "jdoe's" in done.err
    bar.write(f"{DATA}/new", FIRST, FIRST, 0o600)
    bar.pacha("push", code=3)
    assert "owner" not in bar.pacha("verify", code=None).out
    bar.lose(DATA)
    bar.populate()
    with directory(bar, *THERE):
        bar.pacha("rebuild", "bar", "--yes", code=None)
    assert owners(bar) == [(ELSEWHERE + i, ELSEWHERE + i, "0600") for i in range(len(NAMES))]
    assert bar.whose(f"{DATA}/new") == (ELSEWHERE, ELSEWHERE, "0600")


def test_a_person_can_say_that_the_account_is_no_more(bar: Machine) -> None:
    bar.at("/etc/nsswitch.conf").write_text("passwd: files sss\ngroup: files sss\n")
    with directory(bar, *HERE):
        bar.pacha("push")
    with directory(bar, *HERE[1:]):
        bar.pacha("push", code=3)
        bar.pacha("push", "--accept")
        assert "nothing changed" in bar.pacha("push").out


def test_a_local_account_that_was_removed_is_no_more(bar: Machine) -> None:
    """Files alone always answer: nothing has to be settled."""
    bar.at("/etc/nsswitch.conf").write_text("passwd: files\ngroup: files\n")
    with directory(bar, *HERE):
        bar.pacha("push")
    assert "metadata" in bar.pacha("push").out


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(name=b"jdoe", number=FIRST, home=b"/home/a:b"), "jdoe is described without its home"),
        (Entry(name=b"jdoe", number=FIRST, home=b"/home/a\nb"), "jdoe is described without its home"),
        (Entry(name=b"j:doe", number=FIRST), "j:doe is not described"),
        (Entry(name=b"-jdoe", number=FIRST), "-jdoe is not described"),
    ],
    ids=["colon", "line break", "colon in its name", "dash"],
)
def test_an_account_that_no_account_file_could_hold(bar: Machine, entry: Entry, said: str) -> None:
    """What a directory may say is no reason that nothing can be rebuilt."""
    there = Entry(name=entry.name, number=ELSEWHERE)
    with directory(bar, entry, *HERE[1:]):
        assert said in bar.pacha("push", code=3).err
    bar.lose(DATA)
    with directory(bar, there, *THERE[1:]):
        bar.pacha("rebuild", "bar", "--yes", code=None)
    assert bar.whose(f"{DATA}/0") == (ELSEWHERE, ELSEWHERE, "0600")
