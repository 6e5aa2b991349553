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


def test_no_two_texts_of_different_snapshots_are_the_same() -> None:
    assert change_list.encode(CHANGES, b"one") != change_list.encode(CHANGES, b"other")


@pytest.mark.parametrize("text", [b"", b"\n", b"\xff\x00\n\n\n", b"a\nb\nZ /x\nA\n A /x\nA/x", b"\x1b[31m"])
def test_a_text_from_elsewhere_may_be_anything(text: bytes) -> None:
    assert change_list.count(text) in ({}, {"added": 1})
