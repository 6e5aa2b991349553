"""What a snapshot touched, as a text beside pacha.db."""

from __future__ import annotations

import pytest

from pacha.store import change_list
from pacha.store.snapshot import Changes

CHANGES = Changes((b"/etc/new", b"/etc/x\n"), (b"/etc/old",), (b"/etc/nginx/conf",), (b"/etc/nginx", b"/etc\xff"))


def test_counts_are_those_of_the_changes() -> None:
    text = change_list.encode(CHANGES, b"image")
    assert change_list.count(text) == {"added": 2, "changed": 1, "removed": 1, "metadata": 2}
    assert text.isascii() and text.count(b"\n") == 2 + 6


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        (b"/etc/nginx", {"changed": 1, "metadata": 1}), (b"/etc/nginx/conf", {"changed": 1}), (b"/etc/ngin", {}),
        (b"/", {"added": 2, "changed": 1, "removed": 1, "metadata": 2}), (b"/etc/x\n", {"added": 1}),
        (b"/etc\xff", {"metadata": 1}), (b"/etc", {"added": 2, "changed": 1, "removed": 1, "metadata": 1}),
    ],
)  # fmt: skip
def test_a_path_has_what_is_at_or_below_it(path: bytes, counts: dict[str, int]) -> None:
    assert change_list.count(change_list.encode(CHANGES, b"image"), [path]) == counts


def test_packages_are_counted_in_the_message_and_are_no_path() -> None:
    lines = ("curl 7.88 added", "nginx 1.22.1-9 -> 1.22.1-10")
    counts = change_list.counts(CHANGES, lines)
    assert counts == "2 added, 1 changed, 1 removed, 2 metadata, 2 packages"
    _, read = change_list.split_message(change_list.join_message("3 packages were too old", counts))
    assert read == {"added": 2, "changed": 1, "removed": 1, "metadata": 2, "packages": 2}
    assert change_list.split_message(f"bar: {change_list.counts(Changes(), lines[:1])}")[1] == {"packages": 1}
    text = change_list.encode(CHANGES, b"image", lines)
    assert change_list.count(text) == change_list.count(change_list.encode(CHANGES, b"image"))
    assert text.endswith(b"P curl 7.88 added\nP nginx 1.22.1-9 -> 1.22.1-10\n")


def test_no_two_texts_of_different_snapshots_are_the_same() -> None:
    assert change_list.encode(CHANGES, b"one") != change_list.encode(CHANGES, b"other")


@pytest.mark.parametrize("text", [b"", b"\n", b"\xff\x00\n\n\n", b"a\nb\nZ /x\nA\n A /x\nA/x", b"\x1b[31m"])
def test_a_text_from_elsewhere_may_be_anything(text: bytes) -> None:
    assert change_list.count(text) in ({}, {"added": 1})
