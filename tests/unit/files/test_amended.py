"""Entries that differ in a few paths from others."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from pacha.files.amended import Amended, Below, amend
from pacha.files.entry import Entry
from tests.support.entries import entry_at

NAMES = [b"/w/%d" % number for number in range(8)]


class NotWhole(dict[bytes, Entry]):
    """Entries of which single ones may be asked for, but not all."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("all entries are asked for")


def some(choose: random.Random, names: list[bytes]) -> dict[bytes, Entry]:
    return {name: entry_at(name, size=choose.randrange(3)) for name in names if choose.random() < 0.5}


def test_it_is_what_a_copy_with_these_changes_is() -> None:
    choose = random.Random(1)
    for _ in range(200):
        base, changed = some(choose, NAMES), some(choose, NAMES)
        removed = frozenset(base.keys() & set(choose.sample(NAMES, 3))) - changed.keys()
        found: Mapping[bytes, Entry] = Amended(base, changed, removed)
        like = {path: entry for path, entry in {**base, **changed}.items() if path not in removed}
        for _ in range(3):
            assert (
                dict(found) == like
                and len(found) == len(like)
                and all(found.get(name) is like.get(name) for name in NAMES)
            )
            assert isinstance(found, Amended) and (found == base) is (like == base)
            now = {**some(choose, NAMES), **dict.fromkeys(choose.sample(NAMES, 2))}
            assert sorted(found.replaced) == sorted(base[path] for path in base if like.get(path) is not base[path])
            found, like = amend(found, now), dict(amend(like, now))


def test_what_stays_is_not_asked_for() -> None:
    base = NotWhole({name: entry_at(name) for name in NAMES})
    found = amend(Amended(base, {NAMES[0]: entry_at(NAMES[0], size=7)}, frozenset([NAMES[1]])), {NAMES[2]: None})
    assert len(found) == 6 and found[NAMES[0]].size == 7 and NAMES[1] not in found and NAMES[2] not in found
    assert found != base and found.get(NAMES[3]) is base[NAMES[3]]
    assert Amended(base, {NAMES[0]: entry_at(NAMES[0])}) == base


def test_what_is_written_to_the_base_meanwhile_is_there_once() -> None:
    base = {name: entry_at(name) for name in NAMES[:3]}
    changed = {NAMES[0]: entry_at(NAMES[0], size=7), NAMES[3]: entry_at(NAMES[3])}
    found = Amended(base, changed, frozenset([NAMES[1]]))
    base.update(changed)
    assert sorted(found) == [NAMES[0], NAMES[2], NAMES[3]]


def test_what_lies_below_a_path_is_told_without_the_rest() -> None:
    every = [b"/a", b"/a/1", b"/a/2", b"/ab", b"/b", b"/b/1"]
    base = NotWhole({path: entry_at(path) for path in every})
    now = Amended(base, {b"/a/3": entry_at(b"/a/3"), b"/b/1": entry_at(b"/b/1", size=5)}, frozenset([b"/a/2"]))
    old, new = Below(base, b"/a"), now.below(b"/a")
    assert new.amends(old) and now.amends(base)
    assert not new.amends(Below(base, b"/b")) and not now.amends(old)
    assert old and old.get(b"/a/2") is base[b"/a/2"] and old.get(b"/ab") is None and b"/b/1" not in old
    assert (list(new.changed), new.added, new.removed) == ([b"/a/3"], [b"/a/3"], {b"/a/2"})
    whole = dict.copy(base)
    assert sorted(Below(whole, b"/a")) == [b"/a", b"/a/1", b"/a/2"] and len(Below(whole, b"/b")) == 2
    assert sorted(Amended(whole, now.changed, now.removed).below(b"/a")) == [b"/a", b"/a/1", b"/a/3"]
    assert not Below({}, b"/a")
