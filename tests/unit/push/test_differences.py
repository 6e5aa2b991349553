"""What a snapshot from elsewhere would decide otherwise is told, both sides of it, and never obeyed."""

from __future__ import annotations

import pytest

from pacha.push.differences import ADOPTED, of_watched, with_names
from pacha.store.snapshot import Watched

NODE = "a" * 40


def watched(path: bytes, repository: str = "", **more: object) -> Watched:
    fields: dict[str, object] = {"path": path, "single": False, "repository": repository or path[1:].decode()} | more
    return Watched(**fields)  # type: ignore[arg-type]


ETC = watched(b"/etc", node=NODE, exclude=("*.tmp",))


def told(*theirs: Watched) -> list[tuple[bytes, str]]:
    return [(concern.path, concern.reason) for concern in of_watched([ETC], theirs, "there")]


def test_the_same_is_not_told_whatever_the_revision() -> None:
    assert told(watched(b"/etc", exclude=("*.tmp",), node="b" * 40)) == []
    assert told(watched(b"/etc", exclude=("*.tmp",)), watched(b"/old", retired=True)) == []


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        (watched(b"/etc", exclude=("*",)), "here: *.tmp; there: *"),
        (watched(b"/etc", exclude=("*.tmp",), one_filesystem=True), "crosses file systems here"),
        (watched(b"/etc", exclude=("*.tmp",), single=True), "is a folder here, and a single file in there"),
        (watched(b"/etc", exclude=("*.tmp",), retired=True), "no longer watched in there"),
    ],
)
def test_each_thing_that_decides_is_told(theirs: Watched, words: str) -> None:
    [(path, reason)] = told(theirs)
    assert path == b"/etc" and words in reason


def test_what_is_watched_there_alone_and_here_alone_are_told() -> None:
    assert {path for path, _ in told(watched(b"/root"))} == {b"/etc", b"/root"}


def test_a_rebuild_that_adopts_the_other_list_says_that_it_counts() -> None:
    theirs = (watched(b"/etc", exclude=("*",)), watched(b"/root"))
    concerns = of_watched([ETC, watched(b"/srv")], theirs, "there", ADOPTED)
    reasons = {concern.path: concern.reason.rpartition("; ")[2] for concern in concerns}
    assert reasons == {b"/etc": ADOPTED.rules, b"/srv": ADOPTED.only_here, b"/root": ADOPTED.only_there}


def test_hostile_rules_are_short_and_safe_to_print_and_a_flood_is_counted() -> None:
    [(_, reason)] = told(watched(b"/etc", exclude=("\x1b[2J" + "x" * 10_000,)))
    assert reason.isprintable() and len(reason) < 600
    flood = [watched(b"/%d" % number) for number in range(1000)]
    assert len(of_watched([], flood, "there")) == 21


def test_names_once_used_there_are_never_given_again() -> None:
    mine = (ETC, watched(b"/srv/foo", "foo"))
    theirs = (watched(b"/opt/foo", "Foo", node=NODE, exclude=("*",)), watched(b"/srv/foo", "foo-9", node=NODE))
    named = with_names(mine, theirs)
    assert [(one.path, one.repository, one.retired) for one in named] == [
        (b"/etc", "etc", False), (b"/srv/foo", "foo-9", False), (b"/opt/foo", "Foo", True),
    ]  # fmt: skip
    assert named[0] == ETC and named[1].node is None and named[2].exclude == () and named[2].node is None


def test_a_path_that_was_kept_here_stays_in_its_repository() -> None:
    assert with_names([ETC], [watched(b"/etc", "etc-2", node=NODE)])[0] == ETC
