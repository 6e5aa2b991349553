"""The numbers of hard links: the same names share one, from one snapshot to the next."""

from __future__ import annotations

import os
from pathlib import Path

from pacha.files.entry import Kind
from pacha.files.scanned import Scan
from tests.support.scanning import Host, empty_tree, watch  # noqa: F401


def groups_of(found: Scan, tree: Path) -> dict[str, int | None]:
    return {os.fsdecode(p)[len(str(tree)) + 1 :]: e.link_group for p, e in found.entries.items() if e.kind is Kind.FILE}


def test_the_numbers_of_hard_link_groups_are_stable(tree: Path) -> None:
    for one, other in (("m", "n"), ("x", "y")):
        (tree / one).touch()
        os.link(tree / one, tree / other)
    host = Host(watch(tree))
    first = groups_of(host.push(), tree)
    assert first["m"] == first["n"] != first["x"] == first["y"] and None not in first.values()
    (tree / "a").touch()
    os.link(tree / "a", tree / "b")
    os.link(tree / "x", tree / "z")
    second = groups_of(host.push(), tree)
    assert {name: second[name] for name in first} == first
    assert second["z"] == first["x"] and second["a"] == second["b"] not in first.values()
    (tree / "m").unlink()
    third = groups_of(host.push(), tree)
    assert third == {"n": None, "x": first["x"], "y": first["x"], "z": first["x"], "a": second["a"], "b": second["a"]}
    host.fingerprints = {}
    assert groups_of(host.push(), tree) == third


def test_a_group_that_falls_apart_becomes_two(tree: Path) -> None:
    (tree / "a").write_bytes(b"x")
    for name in "bcd":
        os.link(tree / "a", tree / name)
    host = Host(watch(tree))
    host.push()
    (tree / "c").unlink()
    (tree / "d").unlink()
    (tree / "c").write_bytes(b"y")
    os.link(tree / "c", tree / "d")
    groups = groups_of(host.push(), tree)
    assert groups["a"] == groups["b"] != groups["c"] == groups["d"] and None not in groups.values()


def test_a_link_to_the_outside_is_an_ordinary_file_and_one_across_watched_paths_is_not(tree: Path) -> None:
    for name in ("one", "two", "not"):
        (tree / name).mkdir()
    (tree / "one/f").touch()
    os.link(tree / "one/f", tree / "not/f")
    (tree / "one/g").touch()
    os.link(tree / "one/g", tree / "two/g")
    groups = groups_of(Host(watch(tree / "one"), watch(tree / "two")).scan(), tree)
    assert groups["one/f"] is None and groups["one/g"] == groups["two/g"] is not None
