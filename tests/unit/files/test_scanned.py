"""What of a scan is as at the one before."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType

import pytest

from pacha.files import scanned
from pacha.files.amended import Amended
from pacha.files.listing import Fingerprints
from pacha.files.mount_points import MountPoints
from tests.support.scanning import Host, empty_tree, no_wait, watch  # noqa: F401


def host_of(tree: Path, *files: str) -> Host:
    for name in files:
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(name)
    host = Host(watch(tree))
    host.push()
    host.entries = MappingProxyType(dict(host.entries))
    return host


@pytest.mark.usefixtures("settled")
def test_what_differs_is_told_apart(tree: Path) -> None:
    host = host_of(tree, "a/one", "a/two", "b/three")
    (tree / "a/one").write_text("more")
    found = host.scan()
    assert isinstance(found.entries, Amended) and found.entries.base is host.entries
    assert list(found.entries.changed) == [os.fsencode(tree / "a/one")] and not found.entries.removed
    assert found.same == {os.fsencode(tree), os.fsencode(tree / "b")}
    assert found.unchanged[os.fsencode(tree / "a")] == {b"two"}
    (tree / "a/one").unlink()
    (tree / "a/two").unlink()
    (tree / "a").rmdir()
    gone = host.scan().entries
    assert isinstance(gone, Amended) and len(gone) == len(dict(gone)) == 3


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("how", ["many", "linked", "doubtful", "dict"])
def test_where_more_than_a_few_may_differ_all_are_looked_at(
    tree: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    host = host_of(tree, "a/one", "a/two", "b/three")
    (tree / "a/one").write_text("more")
    if how == "many":
        monkeypatch.setattr(scanned, "_FEW", 0)
    elif how == "linked":
        os.link(tree / "a/one", tree / "b/link")
    elif how == "doubtful":
        (tree / "b").rename(tree / "c")
        monkeypatch.setattr(os, "open", refusing(os.open, b"c"))
    else:
        host.entries = dict(host.entries)
    found = host.scan()
    assert type(found.entries) is dict and os.fsencode(tree / "a/two") in found.entries
    assert how != "linked" or found.entries[os.fsencode(tree / "b/link")].link_group == 1


def refusing(real: object, name: bytes) -> object:
    def refuse(path: object, *rest: int, **more: int) -> int:
        if path == name:
            raise PermissionError(13, "no")
        return real(path, *rest, **more)  # type: ignore[operator, no-any-return]

    return refuse


@pytest.mark.usefixtures("settled")
def test_a_volume_that_is_mounted_since_is_remembered(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is on it would be taken for gone, once it is not mounted any more."""
    host = host_of(tree, "a/one")
    (tree / "volume").mkdir()
    volume = os.fsencode(tree / "volume")
    monkeypatch.setattr(
        MountPoints, "of_machine", lambda before: MountPoints(frozenset([volume, *before]), frozenset(before))
    )
    found = host.scan()
    assert isinstance(found.entries, Amended) and volume in found.mounted


def test_nothing_is_as_before_a_first_scan() -> None:
    assert scanned.amended(scanned.Scan(), MappingProxyType({}), Fingerprints()) is None
