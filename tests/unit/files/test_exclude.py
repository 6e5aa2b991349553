"""Exclude rules: what a pattern leaves out, and what it does not."""

from __future__ import annotations

import warnings

import pytest

from pacha.errors import ConfigError
from pacha.files.exclude import Rules


def left_out(pattern: str, relative: str, *, directory: bool = False, root: str = "/srv/w") -> bool:
    name = relative.rpartition("/")[2]
    path = f"{root}/{relative}"
    return Rules.of([pattern]).match(name.encode(), relative.encode(), path.encode(), directory)


@pytest.mark.parametrize(
    ("pattern", "relative"),
    [
        ("*.swp", "a.swp"),
        ("*.swp", "deep/er/.a.swp"),
        ("cache", "x/cache"),
        ("a?c", "abc"),
        ("[abc]x", "bx"),
        ("[!abc]x", "dx"),
        ("[]a]x", "]x"),
        ("[[]x", "[x"),
        ("[a-c]x", "cx"),
        ("x/y", "x/y"),
        ("x/*.log", "x/a.log"),
        ("x/**/y", "x/y"),
        ("x/**/y", "x/1/2/y"),
        ("**/y", "y"),
        ("**/y", "a/b/y"),
        ("x/**", "x/a/b"),
        ("/srv/w/a", "a"),
        ("/srv/*/a", "a"),
        ("/srv/**", "a/b"),
        ("a.b", "a.b"),
        ("(x|y)", "(x|y)"),
        ("a[", "a["),
        ("x\\y", "x\\y"),
        ("caf\u00e9", "caf\u00e9"),
        ("{a,b}", "{a,b}"),
        ("a\n", "a\n"),
        ("*", "a\nb"),
    ],
)
def test_left_out(pattern: str, relative: str) -> None:
    assert left_out(pattern, relative)


@pytest.mark.parametrize(
    ("pattern", "relative"),
    [
        ("*.swp", "a.swp.txt"),
        ("*.swp", "aXswp"),
        ("cache", "mycache"),
        ("cache", "cache2"),
        ("cache", "cache\n"),
        ("a?c", "a/c"),
        ("x/a[!b]c", "x/a/c"),
        ("x/[!b]", "x//"),
        ("[!abc]x", "ax"),
        ("x/y", "a/x/y"),
        ("x/*.log", "x/y/a.log"),
        ("x/*", "x/y/z"),
        ("/a", "a"),
        ("/srv/w", "srv/w"),
        ("a.b", "aXb"),
        ("a+", "aa"),
        ("cache/", "cache"),
        ("*.SWP", "a.swp"),
        ("", "a"),
        ("/", "a"),
        ("//", "a"),
    ],
)
def test_not_left_out(pattern: str, relative: str) -> None:
    assert not left_out(pattern, relative)


@pytest.mark.parametrize("pattern", ["cache/", "cache", "**/cache/", "/srv/w/x/cache/", "x/cache/", "c*/", "?????"])
def test_a_directory(pattern: str) -> None:
    assert left_out(pattern, "x/cache", directory=True)


@pytest.mark.parametrize(
    "pattern", ["cache/*", "cache/**", "cache/?*", "/srv/w/cache/*", "/srv/w/cache/**", "cache[!x]", "cache?"]
)
def test_what_lies_in_a_directory_is_left_out_and_not_the_directory(pattern: str) -> None:
    assert not left_out(pattern, "cache", directory=True)


@pytest.mark.parametrize("pattern", ["cache/*", "cache/**", "/srv/w/cache/*", "/srv/w/cache/**"])
@pytest.mark.parametrize("directory", [False, True])
def test_what_lies_in_it(pattern: str, directory: bool) -> None:
    assert left_out(pattern, "cache/x", directory=directory)


def test_a_name_that_is_no_text() -> None:
    assert Rules.of(["*.o"]).match(b"\xff\n.o", b"a/\xff\n.o", b"/a/\xff\n.o", False)


def test_without_patterns_nothing_is_left_out() -> None:
    rules = Rules.of(["", "/"])
    assert not rules.patterns
    assert not rules.match(b"a", b"a", b"/a", False)


def test_a_pattern_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match=r"^\[z-a\]: "):
        Rules.of(["good", "[z-a]"])


@pytest.mark.parametrize("pattern", ["[[a]", "[a||b]", "[a&&b]", "[a~~b]", "[--a]"])
def test_odd_sets_are_sets_without_a_warning(pattern: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert left_out(pattern, "a")


def test_a_setting_is_named() -> None:
    assert Rules.of_setting("pacha.exclude", ["a", "b/"]) == Rules.of(["a", "b/"])
    with pytest.raises(ConfigError, match=r"^pacha.exclude has an invalid pattern") as caught:
        Rules.of_setting("pacha.exclude", ["fine", "a[z-a]"])
    assert caught.value.code == "pattern-invalid" and "a[z-a]" in caught.value.why


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.key", "/etc/a.key", True),
        ("*.key", "/etc/a.key/inside", True),
        ("/etc/ssl/", "/etc/ssl/private/a", True),
        ("/etc/ssl/", "/etc/ssl", False),
        ("etc/ssl/**", "/etc/ssl/private", True),
        ("*.key", "/etc/key", False),
    ],
)
def test_a_path_matches_with_a_directory_above_it(pattern: str, path: str, matches: bool) -> None:
    assert Rules.of([pattern]).match_with_parents(path.encode()) is matches
