"""Two snapshots, or one and the disk, path by path."""

from __future__ import annotations

import os

import pytest

from pacha.errors import UsageError
from pacha.files.entry import Entry
from pacha.history.access import open_history
from pacha.history.diff import Difference, Side, compare, compare_packages, sides, within
from pacha.host import watch
from tests.support.entries import entry_at
from tests.support.packages import FakeManager, fake_manager  # noqa: F401  (a fixture)
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
FILE = entry_at(b"/a/f", size=3, sha256=b"1" * 32)


def side(*entries: Entry, content: bytes | None = b"") -> Side:
    return Side(label="side", entries={entry.path: entry for entry in entries}, content=lambda entry: content)


def letters(old: Side, new: Side, *paths: bytes) -> dict[bytes, str]:
    return {one.path: one.letter for one in compare(old, new, paths)}


def test_each_kind_of_change_has_its_letter_and_what_is_the_same_has_none() -> None:
    same, changed, touched, gone, new = (FILE._replace(path=b"/a/%d" % number) for number in range(5))
    after = side(same, changed._replace(sha256=b"2" * 32), touched._replace(mode=0o600), new)
    assert letters(side(same, changed, touched, gone), after) == {
        b"/a/1": "M", b"/a/2": "m", b"/a/3": "R", b"/a/4": "A",
    }  # fmt: skip


def test_only_what_was_asked_for_is_compared() -> None:
    old, new = side(), side(*(FILE._replace(path=path) for path in (b"/a", b"/a/b", b"/ab")))
    assert letters(old, new, b"/a").keys() == {b"/a", b"/a/b"}


@pytest.mark.parametrize(("change", "lines"), [({}, True), ({"parts": 3}, False), ({"size": 1 << 40}, False)])
def test_texts_have_hunks_and_what_is_large_or_no_text_has_none(change: dict[str, int], lines: bool) -> None:
    new = FILE._replace(sha256=b"2" * 32, **change)  # type: ignore[arg-type]

    def only(content: bytes | None, **options: bool) -> Difference:
        (one,) = compare(side(FILE, content=b"old\n"), side(new, content=content), **options)
        return one

    assert bool(only(b"new\n").hunks) is lines
    assert only(None).hunks is None, "it cannot be read"
    assert only(b"n\0w\n").hunks is None and only(b"new\n", with_content=False).hunks is None


def test_a_path_is_within_either_side() -> None:
    old, new = side(FILE), side(FILE._replace(path=b"/b/f"))
    assert [within(old, new, [b"/none", path]) for path in (b"/a", b"/b/f")] == [b"/a", b"/b/f"]
    with pytest.raises(UsageError) as caught:
        within(old, new, [b"/a/f/x", b"/ab"])
    assert caught.value.code == "path-in-neither-snapshot"


def test_what_is_compared_with_what(bar: Standalone) -> None:
    first = bar.push().tip
    (bar.tree / "one").write_text("two\n")
    second = bar.push().tip
    (bar.tree / "one").write_text("three\n")
    with open_history(bar.context()) as past:
        labels = [
            tuple(one.label for one in sides(bar.context(), past, *words, change=change))
            for words, change in (
                ((), ""),
                ((first[:12],), ""),
                ((first[:12], second[:12]), ""),
                ((), second),
                ((), first),
            )
        ]
        assert labels == [
            (second[:12], "now"), (first[:12], "now"), (first[:12], second[:12]), (first[:12], second[:12]),
            ("nothing", first[:12]),
        ]  # fmt: skip
        (one,) = compare(*sides(bar.context(), past), [bar.path + b"/one"])
        assert one.hunks is not None and one.hunks[1:] == (b"-two\n", b"+three\n")


def test_what_is_not_watched_any_more_or_excluded_is_not_called_removed(bar: Standalone) -> None:
    (bar.tree / "below").mkdir()
    for name in ("one", "two.log", "below/three"):
        (bar.tree / name).write_text("x\n")
    bar.push()
    os.unlink(bar.tree / "one")
    here = bar.context(exclude="*.log below")
    with open_history(here) as history:
        found = {os.path.relpath(one.path, bar.path): one.letter for one in compare(*sides(here, history))}
    assert found == {b"one": "R", b"two.log": "U", b"below": "U", b"below/three": "U", b".": "m"}
    watch.unwatch(here, bar.path)
    with open_history(here) as history:
        assert {one.letter for one in compare(*sides(here, history))} == {"U"}


def test_packages_differ_between_snapshots_and_from_the_machine(bar: Standalone, manager: FakeManager) -> None:
    first = bar.push()
    manager.upgrade("2")
    second = bar.push()
    manager.upgrade("3")
    context = bar.context()
    with open_history(context) as history:
        both = sides(context, history, first.tip, second.tip)
        assert [str(change) for change in compare_packages(*both)] == ["nginx 1 -> 2"]
        asked = manager.asked
        assert compare_packages(*sides(context, history)) == () and manager.asked == asked
        now = sides(context, history, with_packages=True)
        assert [str(change) for change in compare_packages(*now)] == ["nginx 2 -> 3"]
        assert compare_packages(*sides(context, history, change=first.tip)) == ()
        manager.hangs = True
        assert len(sides(context, history, with_packages=True)[1].concerns) == 1
