"""The algebra of absolute paths: what lies in what, and where it would lie below another folder."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacha.files import paths

NAME = st.binary(min_size=1, max_size=3).filter(lambda name: b"/" not in name and b"\0" not in name)
PATH = st.lists(NAME, max_size=4).map(lambda names: b"/" + b"/".join(names))


@given(PATH)
def test_parent_and_name_take_a_path_apart_as_the_library_does(path: bytes) -> None:
    assert paths.parent(path) == os.path.dirname(path)
    assert paths.name(path) == os.path.basename(path)


@given(PATH)
def test_the_ancestors_end_at_the_root_and_are_those_that_a_path_is_within(path: bytes) -> None:
    above = list(paths.ancestors(path))
    assert all(paths.is_within(path, folder) for folder in above)
    assert above == sorted(set(above) - {path}, key=len, reverse=True)
    assert above[-1:] == ([] if path == b"/" else [b"/"])


@pytest.mark.parametrize(
    ("path", "folder", "within"),
    [
        (b"/etc", b"/etc", True), (b"/etc/fstab", b"/etc", True), (b"/etc/fstab", b"/etc/", True),
        (b"/etc/fstab", b"/", True), (b"/", b"/", True), (b"/etcetera", b"/etc", False), (b"/", b"/etc", False),
        (b"/etc", b"/etc/fstab", False),
    ],
)  # fmt: skip
def test_a_path_is_within_a_folder_only_by_whole_names(path: bytes, folder: bytes, within: bool) -> None:
    assert paths.is_within(path, folder) is within
    assert paths.is_within_any(path, [b"/nowhere", folder]) is within


def test_nothing_is_within_no_folder() -> None:
    assert not paths.is_within_any(b"/", [])


@pytest.mark.parametrize(
    ("path", "target", "place"),
    [
        (b"/etc/fstab", b"/mnt", b"/mnt/etc/fstab"), (b"/etc/fstab", b"/mnt/", b"/mnt/etc/fstab"),
        (b"/etc/fstab", b"/", b"/etc/fstab"), (b"/etc/fstab", b"", b"/etc/fstab"),
    ],
)  # fmt: skip
def test_a_path_lies_below_the_target_of_a_rehearsal(path: bytes, target: bytes, place: bytes) -> None:
    assert paths.rebase(path, target) == place
    assert paths.strip_target(place, target) == path


@given(PATH, PATH)
def test_a_rebased_path_stays_within_its_target(path: bytes, target: bytes) -> None:
    assert paths.is_within(paths.rebase(path, target).rstrip(b"/") or b"/", target)


@pytest.mark.parametrize(("text", "normal"), [(b"/", True), (b"/a/...", True), (b"/a b\n", True), (b"", False),
    (b"a", False), (b"/a/", False), (b"//", False), (b"/a/..", False), (b"/./a", False), (b"/a\0", False)])  # fmt: skip
def test_normal_paths(text: bytes, normal: bool) -> None:
    assert paths.is_normal(text) is normal
