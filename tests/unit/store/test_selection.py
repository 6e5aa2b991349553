"""Parts of a snapshot: what was asked for, nothing beside it, and its parents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import UsageError
from pacha.files.entry import Entry, Kind
from pacha.store.selection import Selection, path_candidates, roots, select
from pacha.store.snapshot import Snapshot, Watched
from tests.support.entries import entry_at


def entry(path: bytes, kind: Kind = Kind.DIRECTORY, link_group: int | None = None) -> Entry:
    return entry_at(path, kind, mode=0o755, mtime_ns=0, link_group=link_group)


def snapshot() -> Snapshot:
    paths = [b"/etc", b"/etc/nginx", b"/etc/nginx/conf", b"/etc/nginx-old", b"/opt/foo", b"/srv/a/foo", b"/srv/a/foo/x"]
    files = {b"/etc/nginx/conf": 1, b"/etc/nginx-old": 1, b"/root/.bashrc": None}
    entries = {path: entry(path) for path in paths}
    entries |= {path: entry(path, Kind.FILE, group) for path, group in files.items()}
    watched = (
        Watched(path=b"/etc", single=False, repository="etc"),
        Watched(path=b"/opt/foo", single=False, repository="foo"),
        Watched(path=b"/srv/a/foo", single=False, repository="foo-2"),
        Watched(path=b"/root/.bashrc", single=True, repository="bashrc"),
        Watched(path=b"/gone", single=False, repository="gone", retired=True),
    )
    above = {path: entry(path) for path in (b"/opt", b"/srv", b"/srv/a", b"/root")}
    return Snapshot({"host": "bar"}, watched, entries, above)


def asked(*paths: bytes, directories: tuple[str, ...] = ()) -> Selection:
    return Selection(tuple((path,) for path in paths), directories)


def test_a_path_brings_what_is_below_it_and_the_directories_above_as_parents() -> None:
    chosen = roots(snapshot(), asked(b"/etc/nginx"))
    made = select(snapshot(), chosen)
    assert chosen == (b"/etc/nginx",)
    assert set(made.entries) == {b"/etc/nginx", b"/etc/nginx/conf"}
    assert [one.path for one in made.watched] == [b"/etc"]
    assert set(made.parents) == {b"/etc"}


def test_a_path_above_watched_ones_brings_them_whole() -> None:
    made = select(snapshot(), roots(snapshot(), asked(b"/srv")))
    assert set(made.entries) == {b"/srv/a/foo", b"/srv/a/foo/x"}
    assert set(made.parents) == {b"/srv", b"/srv/a"}


def test_several_are_joined_and_none_stands_twice() -> None:
    assert roots(snapshot(), asked(b"/etc/nginx/conf", b"/etc/nginx", b"/opt/foo", b"/opt")) == (b"/etc/nginx", b"/opt")
    assert roots(snapshot(), asked(b"/root/.bashrc")) == (b"/root/.bashrc",)


@pytest.mark.parametrize(
    ("name", "path"),
    [("foo", b"/opt/foo"), ("foo-2", b"/srv/a/foo"), ("bashrc", b"/root/.bashrc"), (".bashrc", b"/root/.bashrc")],
)
def test_a_directory_is_named_by_its_repository_or_its_last_component(name: str, path: bytes) -> None:
    assert roots(snapshot(), asked(directories=(name,))) == (path,)


@pytest.mark.parametrize(
    "wrong",
    [
        asked(b"/home"),
        asked(b"/gone"),
        asked(b"/etcetera"),
        asked(b"/etc/none"),
        asked(directories=("gone",)),
        asked(directories=("\udcff\x1b",)),
    ],
)
def test_what_is_not_there_is_refused(wrong: Selection) -> None:
    with pytest.raises(UsageError) as refused:
        roots(snapshot(), wrong)
    assert (refused.value.message + refused.value.why + refused.value.hint).isprintable()


def test_what_was_not_there_yet_may_be_named_to_be_moved_aside() -> None:
    assert roots(snapshot(), asked(b"/etc/none"), absent=True) == (b"/etc/none",)
    assert select(snapshot(), (b"/etc/none",)).entries == {}
    with pytest.raises(UsageError):
        roots(snapshot(), asked(b"/home"), absent=True)


def test_a_path_is_meant_as_written_or_with_its_parents_links_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    base = os.fsencode(tmp_path.resolve())
    assert path_candidates(b"link/x") == (base + b"/link/x", base + b"/real/x")
    assert path_candidates(b"//etc//nginx/../x/") == (b"/etc/x", b"/etc/x")
    assert path_candidates(b"link") == (base + b"/link", base + b"/link")
