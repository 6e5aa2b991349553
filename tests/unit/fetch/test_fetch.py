"""A snapshot is fetched within a limit of memory; of a damaged one, an intact older one is named."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from pacha.config.keys import STANDALONE
from pacha.errors import DamagedError, PachaError, UsageError
from pacha.fetch import staging_dir
from pacha.fetch.fetch import fetch
from pacha.fetch.staging import Staging
from pacha.host.masters import connect
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)


@pytest.fixture
def staging(bar: Standalone) -> Iterator[Staging]:
    """Where the two snapshots of ``bar`` are fetched to; the second has a file more."""
    bar.push("the first")
    (bar.tree / "two").write_text("two\n")
    bar.push("the second")
    context = bar.context("fresh")
    made = Staging.make(context, "bar", connect(context, STANDALONE), lambda received: None)
    yield made
    made.remove()


def test_the_newest_is_here_whole(bar: Standalone, staging: Staging) -> None:
    fetched = fetch(staging)
    assert {os.path.basename(path) for path in fetched.snapshot.entries} == {b"foo", b"one", b"two"}
    assert staging.spool.bytes_of(bar.path + b"/two") == b"two\n"
    assert fetched.newest and fetched.files > 0


def test_one_that_there_is_not_is_no_damage(staging: Staging) -> None:
    with pytest.raises(UsageError):
        fetch(staging, "ffffffffffff")


def test_memory_is_limited_while_it_is_fetched(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    before, seen = resource.getrlimit(resource.RLIMIT_DATA), []
    monkeypatch.setattr(Staging, "fetch", lambda *words, **more: seen.append(resource.getrlimit(resource.RLIMIT_DATA)))
    fetch(staging)
    assert seen[0][0] < 1 << 36 and seen[0] != before
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_full_disk_is_named_by_where_the_staging_folder_is_by_then(
    staging: Staging, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moves to the state folder while something is fetched, where TMPDIR has too little room."""
    roomier = staging_dir.make_in(staging.context, str(tmp_path / "fresh"))

    def move_and_fill(moved: Staging, *_: object, **__: object) -> NoReturn:
        moved.folder = roomier
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Staging, "fetch", move_and_fill)
    with pytest.raises(PachaError) as caught:
        fetch(staging)
    assert str(roomier.parent) in caught.value.message


def test_of_a_damaged_one_the_last_intact_one_is_named(bar: Standalone, staging: Staging) -> None:
    log = next(Path(bar.master, "foo/.hg/store").rglob("two.i"))
    log.write_bytes(log.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedError) as caught:
        fetch(staging, options=" --delete")
    assert "--at" in caught.value.hint and "--delete" in caught.value.hint
