"""A plain user's own folders of mode 0555: a rebuild puts back what was in them, and leaves them as they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pacha.errors import PachaError
from pacha.files.entry import Entry
from pacha.restore.apply import apply
from pacha.restore.journal import Journal
from pacha.restore.outcome import Outcome
from pacha.restore.ownership import Identity
from pacha.restore.plan import build, hindered
from pacha.restore.preflight import preflight
from pacha.restore.undo import prune, undo
from tests.support.amount import is_soak
from tests.support.applying import ACCOUNTS, ALICE, STAFF, Contents, contents, look, make, plan_for

pytestmark = pytest.mark.usefixtures("as_root")

ME = Identity(ALICE, STAFF, frozenset({STAFF}))
CLOSED = ("", "locked", "locked/deep")


@pytest.fixture(name="home")
def home_of_alice(open_folder: Path) -> Path:
    """Her home with ``watched``, all closed, closed folders in that, and a folder ``state`` that is open."""
    home = open_folder / "home"
    root = home / "watched"
    (home / "state").mkdir(parents=True)
    for folder in ("", "locked", "locked/deep", "other"):
        (root / folder).mkdir()
        for name in "abc":
            make(root / folder / name, name.encode())
    close(root)
    for path in (home, home / "state", root, *root.rglob("*")):
        os.chown(path, ALICE, STAFF)
    home.chmod(0o555)
    return home


def close(root: Path) -> None:
    for folder in CLOSED:
        (root / folder).chmod(0o555)


def damage(root: Path) -> None:
    """As root, to whom no mode matters."""
    for folder in CLOSED:
        (root / folder / "a").unlink()
        (root / folder / "b").write_bytes(b"damaged")
    shutil.rmtree(root / "other")


def as_alice(home: Path, work: Callable[[Path, bytes], bool]) -> None:
    """``work`` with the watched folder and a state folder, in a child that gave up root; it must return True."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(STAFF)
            os.setuid(ALICE)
            os._exit(0 if work(home / "watched", os.fsencode(home / "state")) else 3)
        except BaseException as error:  # the child must not go back into pytest
            print(repr(error), file=sys.stderr)
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def rebuild(root: Path, wanted: dict[bytes, Entry], source: Contents, journal: Journal, **more: bool) -> Outcome:
    plan = plan_for(root, wanted, me=ME, **more)
    return apply(hindered(plan, preflight(plan, {}, ()).hindrances), source, journal)


def modes(root: Path) -> dict[str, int]:
    return {folder: (root / folder).stat().st_mode & 0o7777 for folder in CLOSED}


def test_all_comes_back_and_they_stay_closed(home: Path) -> None:
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)
    damage(root)
    before = look(root)

    def work(root: Path, state: bytes) -> bool:
        journal = Journal.begin(state)
        outcome = rebuild(root, wanted, source, journal, delete=True)
        assert outcome.concerns == () and outcome.corrected == () and look(root) == wanted
        assert undo(journal).concerns == () and look(root) == before
        return not list(root.rglob(".pacha-*"))

    as_alice(home, work)
    assert set(modes(root).values()) == {0o555}


def test_one_that_its_owner_may_not_even_search_stops_nothing(home: Path) -> None:
    """Nobody but root sees what is in it; the plan makes all of it anew."""
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)
    damage(root)
    make(home / "watched/locked/deep/b", b"damaged again", 0o600, ALICE, STAFF)
    (root / "locked/deep").chmod(0o600)
    hidden = os.fsencode(root / "locked/deep") + b"/"
    seen = {path: entry for path, entry in look(root).items() if not path.startswith(hidden)}

    def work(root: Path, state: bytes) -> bool:
        journal = Journal.begin(state)
        plan = build(list(wanted.values()), seen, ACCOUNTS, roots=[os.fsencode(root)], me=ME)
        outcome = apply(hindered(plan, preflight(plan, {}, ()).hindrances), source, journal)
        assert outcome.concerns == () and look(root) == wanted
        return undo(journal).concerns == ()

    as_alice(home, work)
    assert (root / "locked/deep/b").read_bytes() == b"damaged again"
    assert (root / "locked/deep").stat().st_mode & 0o7777 == 0o600


def test_a_default_acl_that_would_close_a_new_one_to_its_owner(home: Path) -> None:
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)
    shutil.rmtree(root / "locked/deep")
    shutil.rmtree(root / "other")
    subprocess.run(["setfacl", "-d", "-m", "u::r,g::r,o::-", root, root / "locked"], check=True)

    def work(root: Path, state: bytes) -> bool:
        return rebuild(root, wanted, source, Journal.begin(state)).concerns == () and look(root) == wanted

    as_alice(home, work)


def test_what_was_kept_in_them_goes_with_its_rebuild(home: Path) -> None:
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)

    def work(root: Path, state: bytes) -> bool:
        for number in range(4):
            (root / "locked/b").write_bytes(b"%d" % number)
            journal = Journal.begin(state)
            assert rebuild(root, wanted, source, journal).concerns == ()
            journal.close()
        assert len(list(root.rglob(".pacha-kept-*"))) == 4
        prune(state, keep=1)
        return len(list(root.rglob(".pacha-kept-*"))) == 1

    as_alice(home, work)
    assert set(modes(root).values()) == {0o555}


def test_one_that_stops_before_the_first_change_leaves_them_closed(home: Path) -> None:
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)
    damage(root)
    before = look(root)
    source.contents[os.fsencode(root / "locked/a")] = b"not what was recorded"

    def work(root: Path, state: bytes) -> bool:
        with pytest.raises(PachaError):
            rebuild(root, wanted, source, Journal.begin(state))
        return look(root) == before

    as_alice(home, work)
    assert set(modes(root).values()) == {0o555}


@pytest.mark.parametrize("afterwards", ["again", "undone"])
def test_a_killed_one_leaves_the_rest_to_the_next_or_to_an_undo(home: Path, afterwards: str) -> None:
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)
    damage(root)
    before = look(root)

    def killed(root: Path, state: bytes) -> bool:
        child = os.fork()
        if child == 0:
            plan = plan_for(root, wanted, me=ME)
            apply(plan, source, Journal.begin(state), on_step=lambda step: os._exit(0))
        os.waitpid(child, 0)
        return any(mode != 0o555 for mode in modes(root).values())

    as_alice(home, killed)

    def resume(root: Path, state: bytes) -> bool:
        if afterwards == "again":
            return rebuild(root, wanted, source, Journal.begin(state)).concerns == () and look(root) == wanted
        (folder,) = (Path(os.fsdecode(state)) / "rebuilds").iterdir()
        return undo(Journal(os.fsencode(folder))).concerns == () and look(root) == before

    as_alice(home, resume)
    assert set(modes(root).values()) == {0o555} and not [*root.rglob(".pacha-????????????????")]


def test_metadata_needs_no_right_to_change_names(home: Path) -> None:
    """Her own file in a folder of root's: its mode is hers to give back."""
    root = home / "watched"
    wanted = look(root)
    os.chown(root / "locked", 0, 0)
    (root / "locked/a").chmod(0o600)

    def work(root: Path, state: bytes) -> bool:
        plan = plan_for(root, {path: e for path, e in wanted.items() if path.endswith(b"/a")}, me=ME)
        assert preflight(plan, {}, ()).hindrances == {}
        return apply(plan, Contents({}), Journal.begin(state)).concerns == ()

    as_alice(home, work)
    assert (root / "locked/a").stat().st_mode & 0o777 == 0o644


def move(root: Path) -> None:
    """As root: one closed folder has another name, and another is in the place of a file."""
    (root / "locked/deep").rename(root / "locked/elsewhere")
    (root / "locked/c").unlink()
    (root / "locked/c").mkdir()
    make(root / "locked/c/in", b"in")
    for path in (root / "locked/c", root / "locked/c/in"):
        os.chown(path, ALICE, STAFF)
    (root / "locked/c").chmod(0o555)


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """``work`` in a child that ends at its call ``number`` that changes names or modes; False where it has fewer."""
    child = os.fork()
    if child == 0:
        left = iter(range(number - 1))

        def until(real: Callable[..., object]) -> Callable[..., object]:
            return lambda *words, **more: os._exit(9) if next(left, None) is None else real(*words, **more)

        for name in ("rename", "chmod", "unlink", "rmdir", "mkdir", "link"):
            setattr(os, name, until(getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.soak
def test_a_closed_folder_that_moved_comes_back_and_goes_again_killed_anywhere(home: Path) -> None:
    """Its own ``..`` changes as it moves, and what a rebuild made closed is to be emptied again."""
    root = home / "watched"
    wanted = look(root)
    source = contents(wanted)
    damage(root)
    move(root)
    before = look(root)

    def work(root: Path, top: bytes) -> bool:
        for number in range(1, 1000, 1 if is_soak() else 13):
            state = os.path.join(top, b"%d" % number)
            os.mkdir(state)
            journal = Journal.begin(state)
            assert rebuild(root, wanted, source, journal, delete=True).concerns == () and look(root) == wanted
            more = killed_at(number, lambda folder=journal.folder: undo(Journal(folder)))
            assert not more or undo(Journal(journal.folder)).concerns == (), number
            assert look(root) == before, number
            if not more:
                return True
        return False

    as_alice(home, work)
