"""A snapshot whose rows are each sound is refused where they do not go together."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from pacha.errors import DamagedError
from pacha.files.entry import Entry, Kind
from pacha.files.owners import Account
from pacha.store.consistency import check_consistency, check_places, damaged_snapshot, foreign_database
from pacha.store.snapshot import Snapshot, Watched
from tests.support.database_rows import file, good
from tests.support.entries import entry_at


def directory(path: bytes, **values: object) -> Entry:
    return entry_at(path, Kind.DIRECTORY)._replace(**values)  # type: ignore[arg-type]


def watched(path: bytes, repository: str = "", **values: bool) -> Watched:
    name = repository or path.decode().strip("/").replace("/", "-") or "root"
    return Watched(path=path, single=values.get("single", False), repository=name, retired=values.get("retired", False))


def snapshot(*watches: Watched, entries: Iterable[Entry] = (), parents: Iterable[Entry] = ()) -> Snapshot:
    return Snapshot({}, watches, {one.path: one for one in entries}, {one.path: one for one in parents})


def refused(broken: Snapshot) -> None:
    with pytest.raises(DamagedError) as caught:
        check_consistency(broken)
    assert caught.value.code in ("database-damaged", "database-inconsistent")
    assert (caught.value.why + caught.value.hint).isprintable()


def test_what_goes_together_is_taken() -> None:
    check_consistency(good())
    check_consistency(Snapshot())
    check_consistency(snapshot(watched(b"/"), entries=[directory(b"/"), directory(b"/etc"), file(b"/etc/fstab")]))
    check_consistency(snapshot(watched(b"/w"), watched(b"/w-old"), entries=[directory(b"/w"), directory(b"/w-old")]))
    # One that was watched before may lie anywhere; nothing of it is there.
    check_consistency(snapshot(watched(b"/w"), watched(b"/w/old", retired=True), entries=[directory(b"/w")]))


@pytest.mark.parametrize("other", ["etc", "ETC"])
def test_no_two_paths_share_a_repository(other: str) -> None:
    refused(snapshot(watched(b"/etc", "etc"), watched(b"/srv/etc", other)))
    refused(snapshot(watched(b"/etc", "etc"), watched(b"/srv/etc", other, retired=True)))


@pytest.mark.parametrize(
    "paths", [(b"/w", b"/w"), (b"/w", b"/w/below"), (b"/w/below", b"/w-", b"/w"), (b"/", b"/w"), (b"/a/b/c", b"/a")]
)
def test_watched_paths_do_not_overlap(paths: tuple[bytes, ...]) -> None:
    refused(snapshot(*(watched(path, f"r{number}") for number, path in enumerate(paths))))


def test_each_entry_lies_below_a_path_that_is_watched_now() -> None:
    for stray in (b"/etc", b"/ww", b"/a"):
        refused(snapshot(watched(b"/w"), entries=[directory(b"/w"), directory(stray)]))
    refused(snapshot(watched(b"/w", retired=True), entries=[directory(b"/w")]))
    refused(snapshot(entries=[directory(b"/w")]))
    refused(snapshot(watched(b"/w", single=True), entries=[directory(b"/w"), file(b"/w/f")]))


def test_each_entry_lies_in_a_directory_that_is_recorded() -> None:
    refused(snapshot(watched(b"/w"), entries=[directory(b"/w"), file(b"/w/missing/f")]))
    refused(snapshot(watched(b"/w"), entries=[directory(b"/w"), file(b"/w/f"), file(b"/w/f/below")]))
    refused(snapshot(watched(b"/w"), entries=[file(b"/w/f")]))


def test_only_directories_above_a_watched_path_are_parents() -> None:
    kept = watched(b"/srv/a/w")
    check_consistency(snapshot(kept, parents=[directory(b"/srv"), directory(b"/srv/a")]))
    for stray in (directory(b"/srv/b"), directory(b"/srv/a/w"), directory(b"/"), file(b"/srv")):
        refused(snapshot(kept, parents=[stray]))
    refused(snapshot(replace(kept, retired=True), parents=[directory(b"/srv")]))


def test_each_row_is_looked_at_too() -> None:
    refused(snapshot(replace(watched(b"/w"), repository="../w")))
    refused(replace(good(), accounts=(Account(name=b"a:b", is_group=True, number=1),)))


@pytest.mark.parametrize("error", [damaged_snapshot, foreign_database])
def test_whatever_is_told_of_it_is_one_line_to_print(error: type[DamagedError]) -> None:
    told = error("\x1b[2J evil\n\udcff " * 100)  # type: ignore[call-arg]
    assert told.why.isprintable() and len(told.why) < 1000
    assert isinstance(told, DamagedError)


def test_paths_in_any_order_of_their_rows() -> None:
    """A folder is looked at once for all that is in it; that changes no verdict."""
    chance, verdicts = random.Random(7), Counter[bool]()
    for _ in range(1500):
        roots = chance.choice([(b"/a", b"/b"), (b"/a/b", b"/a.b"), (b"/",), (b"/a", b"/a0")])
        watches = [watched(root, single=chance.random() < 0.2) for root in roots]
        names = {b"/".join((b"", *chance.choices((b"a", b"b", b"a.b", b"a0"), k=chance.choice((1, 1, 2, 3))))): "d"}
        for _ in range(3):
            names |= {path + b"/" + chance.choice((b"a", b"b")): chance.choice("dddf") for path in list(names)}
        names |= {root: "d" for root in roots if chance.random() < 0.9}
        kinds = dict(chance.sample(list(names.items()), len(names) - chance.choice((0, 0, 0, 1))))
        verdict = all(_is_in_order(watches, path, kinds) for path in kinds)
        try:
            check_places(watches, kinds, kinds.get)
        except DamagedError:
            assert not verdict, kinds
        else:
            assert verdict, kinds
        verdicts[verdict] += 1
    assert min(verdicts.values()) > 50, verdicts


def _is_in_order(watches: Iterable[Watched], path: bytes, kinds: Mapping[bytes, str]) -> bool:
    held = any(one.path == path if one.single else one.holds(path) for one in watches)
    return held and (any(one.path == path for one in watches) or kinds.get(os.path.dirname(path)) == "d")
