"""A year of snapshots: any of them can be rebuilt, whole and in part, and log, diff and cat say the same of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from pacha.config.parse import parse_config
from pacha.host import watch
from pacha.host.context import Context
from pacha.push import push, session
from pacha.store.state import StateFolder
from tests.support.amount import amount
from tests.support.stage import PACHA, Done, changed, launcher
from tests.support.year import Picture, Year, picture

SNAPSHOTS = int(amount("PACHA_SNAPSHOTS", sample=12, soak=200))
REBUILDS = int(amount("PACHA_REBUILDS", sample=3, soak=50))
SEED = int(os.environ.get("PACHA_SEED", "6"))
BEGAN = 1_767_225_600  # a first of January
EVERY = 43_200 + 17  # seconds from one snapshot to the next

#: Mercurial leaves files for the garbage collector to close.
pytestmark = [
    pytest.mark.soak,
    pytest.mark.slow,
    pytest.mark.usefixtures("as_root"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(120 + 20 * (SNAPSHOTS + REBUILDS)),
]


@dataclass
class Lived:
    """A host with its year behind it: the id of each snapshot, and what each watched folder was then."""

    folder: Path
    year: Year
    ids: list[str] = field(default_factory=list)
    pictures: list[dict[Path, Picture]] = field(default_factory=list)
    lone: list[str] = field(default_factory=list)

    def pacha(self, *arguments: str | Path, code: int = 0) -> Done:
        places = {"PACHA_STATE": self.folder / "state", "PACHA_CONFIG": self.folder / "pacha.conf"}
        environment = {**os.environ, **{key: str(place) for key, place in places.items()}}
        ended, out, err = launcher().run([os.fsencode(word) for word in (PACHA, *arguments)], environment, b"", 120)
        assert ended == code, err.decode()
        return Done(ended, out.decode("utf-8", "replace"), err.decode())

    def differing(self, one: int, other: int) -> set[str]:
        """The paths below the watched folders that the pictures of two snapshots have different."""
        found = set()
        for bed in self.year.beds:
            before, after = (_alone(self.pictures[number].get(bed, {})) for number in (one, other))
            found |= {os.path.join(os.fsencode(bed), path).rstrip(b"/") for path, _, _ in changed(before, after)}
        return {_shown(path) for path in found}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """Every snapshot is pushed in this process, with the clock set for each."""
    folder = tmp_path_factory.mktemp("year")
    text = f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {folder}/hosts\npacha.hostname = bar\n"
    (folder / "pacha.conf").write_text(text)
    here = Context(parse_config(text), StateFolder(folder / "state"))
    lived = Lived(folder, Year(folder / "tree", SEED))
    for bed in lived.year.beds:
        watch.watch(here, os.fsencode(bed))
    watch.watch(here, os.fsencode(lived.year.lone), single=True)
    with pytest.MonkeyPatch.context() as patched:
        for number in range(SNAPSHOTS):
            at = BEGAN + number * EVERY
            clock = SimpleNamespace(time=lambda at=at: at, strftime=time.strftime, gmtime=time.gmtime)
            patched.setattr(session, "time", clock)
            _live(lived, here, number)
    yield lived
    shutil.rmtree(folder)


def _live(lived: Lived, here: Context, number: int) -> None:
    away = os.fsencode(lived.year.beds[1])
    if number == SNAPSHOTS // 2:
        watch.unwatch(here, away)
    if number == SNAPSHOTS // 2 + 5:
        watch.watch(here, away)
    if number:
        lived.year.live()
    while not (pushed := push.push(here, message=f"day {number}")).committed:
        lived.year.live()  # what it did left nothing behind
    lived.ids.append(pushed.tip)
    watched = {one.path for one in watch.watched(here)}
    lived.pictures.append({bed: p for bed, p in lived.year.pictures().items() if os.fsencode(bed) in watched})
    lived.lone.append(lived.year.lone.read_text())


def _shown(path: bytes) -> str:
    from pacha.text import escape

    return escape(path)


def _alone(pictured: Picture) -> Picture:
    """What each path is by itself: whether it has other names, not which."""
    return {path: (*what[:5], len(what) > 5) for path, what in pictured.items()}


def chosen(lived: Lived, count: int, salt: int) -> list[int]:
    picked = random.Random(SEED + salt).choices(range(len(lived.ids)), k=count)
    return [*picked[: count - 2], 0, len(lived.ids) - 1][:count] if count > 2 else picked


def when(number: int, by: int) -> str:
    """A moment that means the snapshot ``number``, said in one of the ways."""
    at = BEGAN + number * EVERY
    return time.strftime(("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z")[by % 3], time.localtime(at))


def test_any_snapshot_is_rebuilt_below_a_target(lived: Lived, tmp_path: Path) -> None:
    for turn, number in enumerate(chosen(lived, REBUILDS, 1)):
        target = tmp_path / str(turn)
        at = lived.ids[number][:12] if turn % 2 else when(number, turn)
        lived.pacha("rebuild", "bar", "--yes", "--at", at, "--target", target)
        for bed, was in lived.pictures[number].items():
            assert changed(was, picture(target / str(bed)[1:])) == [], f"snapshot {number}"
        assert not (target / str(lived.year.beds[1])[1:]).exists() or lived.year.beds[1] in lived.pictures[number]
        assert (target / str(lived.year.lone)[1:]).read_text() == lived.lone[number]
        shutil.rmtree(target)


def test_any_part_is_rebuilt_as_it_was_and_nothing_beside_it(lived: Lived, tmp_path: Path) -> None:
    chance = random.Random(SEED + 2)
    for number in chosen(lived, REBUILDS, 2):
        bed = lived.year.beds[0]
        was = lived.pictures[number][bed]
        part = chance.choice(sorted(path for path in was if path))
        lived.pacha("rebuild", "bar", "--yes", "--at", lived.ids[number], "--target", tmp_path / "t", "--path",
                    bed / os.fsdecode(part), code=3 if _is_torn(was, part) else 0)  # fmt: skip
        now = picture(tmp_path / "t" / str(bed)[1:])
        inside = {path: what for path, what in was.items() if _holds(part, path)}
        above = {path for path in was if _holds(path, part)} | {b""}
        assert now.keys() == inside.keys() | above
        for path, what in inside.items():
            assert now[path][:5] == what[:5]  # but for names of the file that lie elsewhere
        shutil.rmtree(tmp_path / "t")


def _is_torn(was: Picture, part: bytes) -> bool:
    return any(
        not all(_holds(part, name) for name in what[5])  # type: ignore[attr-defined]
        for path, what in was.items()
        if _holds(part, path) and len(what) > 5
    )


def _holds(above: bytes, path: bytes) -> bool:
    return path == above or path.startswith(above + b"/") or above == b""


def test_a_rollback_in_place_is_exact_and_undone(lived: Lived) -> None:
    here = lived.year.pictures()
    for number in chosen(lived, max(2, REBUILDS // 4), 3):
        lived.pacha("rebuild", "bar", "--yes", "--at", lived.ids[number], "--delete")
        for bed, was in lived.pictures[number].items():
            assert changed(was, picture(bed)) == [], f"snapshot {number}"
        lived.pacha("undo")
        assert lived.year.pictures() == here


def test_log_diff_and_cat_agree_with_what_was_there(lived: Lived) -> None:
    logged = json.loads(lived.pacha("log", "--json").out)
    assert [one["id"] for one in logged] == lived.ids[::-1]
    assert [one["message"] for one in logged] == [f"day {n}" for n in range(SNAPSHOTS)][::-1]
    lone = _shown(os.fsencode(lived.year.lone))
    for number in chosen(lived, REBUILDS, 4):
        if number:
            lines = lived.pacha("diff", "--names", "-c", lived.ids[number]).out.splitlines()
            assert {line[2:] for line in lines} - {lone} == lived.differing(number - 1, number)
            row = logged[SNAPSHOTS - 1 - number]
            for letter, word in {"A": "added", "M": "changed", "R": "removed", "m": "metadata"}.items():
                assert row[word] == sum(line.startswith(letter) for line in lines), f"snapshot {number}"
        other = (number * 7 + 3) % SNAPSHOTS
        names = lived.pacha("diff", "--names", lived.ids[number], lived.ids[other]).out.splitlines()
        assert {line[2:] for line in names} - {lone} == lived.differing(number, other)
        assert lived.pacha("cat", lived.year.lone, "--at", lived.ids[number]).out == lived.lone[number]


def test_the_log_of_a_path_has_the_snapshots_that_touched_it(lived: Lived) -> None:
    bed = lived.year.beds[0]
    paths = sorted({path for number in range(SNAPSHOTS) for path in lived.pictures[number].get(bed, {}) if path})
    for path in random.Random(SEED + 5).sample(paths, REBUILDS):
        logged = json.loads(lived.pacha("log", "--json", bed / os.fsdecode(path)).out)
        below = [
            {p: what for p, what in _alone(pictures.get(bed, {})).items() if _holds(path, p)}
            for pictures in lived.pictures
        ]
        touched = [lived.ids[n] for n in range(SNAPSHOTS) if below[n] != (below[n - 1] if n else {})]
        assert [one["id"] for one in logged] == touched[::-1]


def test_a_diff_is_what_patch_takes(lived: Lived, tmp_path: Path) -> None:
    """Text differences put one snapshot's file in the other's place, by the word of patch(1)."""
    first, last = lived.ids[0], lived.ids[-1]
    path = lived.year.lone
    (tmp_path / "old").write_text(lived.lone[0])
    (tmp_path / "change").write_text(lived.pacha("diff", first, last, path).out)
    subprocess.run(["patch", "-s", tmp_path / "old", tmp_path / "change"], check=True)
    assert (tmp_path / "old").read_text() == lived.lone[-1]
