"""What the programs of a plain account print, where that is not what programs of that name print."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import DamagedError, PachaError, UnreachableError
from pacha.wire import plain_output


def said(stdout: bytes) -> Any:
    return SimpleNamespace(status=0, stdout=stdout, stderr=b"")


@pytest.mark.parametrize("text", [b"nan", b"inf", b"-inf", b"1e999", b"1e300", b"-1e18", b"-1", b"1" * 400])
def test_a_clock_that_cannot_be(text: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        plain_output.clock(said(text), "bar", "bar")
    assert caught.value.code == "absurd-number"


@pytest.mark.parametrize("text", [b"", b"Sun Nov 29", b"\x1b[2J"])
def test_what_is_no_clock(text: bytes) -> None:
    with pytest.raises(UnreachableError) as caught:
        plain_output.clock(said(text), "bar", "bar")
    assert caught.value.why.isprintable()


def test_a_shell_that_says_a_word_before_the_answer() -> None:
    with pytest.raises(UnreachableError) as caught:
        plain_output.clock(said(b"Welcome!\n1795499276.75\n"), "bar", "bar")
    assert caught.value.code == "shell-talks" and "Welcome!" in caught.value.why and "~/.bashrc" in caught.value.hint


@pytest.mark.parametrize("text", [b"1795946718.%N\n", b"1795946718.N\n", b"1795946718\n"])
def test_a_clock_without_nanoseconds(text: bytes) -> None:
    """As busybox and BSD have it."""
    assert plain_output.clock(said(text), "bar", "bar") == 1795946718


def test_a_clock() -> None:
    assert plain_output.clock(said(b"1795499276.750000000\n"), "bar", "bar") == 1795499276.75


@pytest.mark.parametrize(
    ("text", "free"),
    [
        (b"10 4096\n", 40960),
        (b"", None),
        (b"x 1", None),
        (b"-1 1", None),
        (b"1" * 5000 + b" 1", None),
        (b"9" * 20 + b" 1", None),
        (b"1 2 3", None),
    ],
)
def test_what_is_free(text: bytes, free: int | None) -> None:
    """It only helps: what cannot be is as if nothing had been said."""
    assert plain_output.free_bytes(text) == free


@pytest.mark.parametrize(
    "text", [b"x  /h/bar/db/.hg/store/00changelog.i\n", b"\x1b[2J\n", b"a" * 100_000, b"welcome!\n"]
)
def test_what_is_no_digest(text: bytes) -> None:
    with pytest.raises(PachaError) as caught:
        plain_output.digests(text)
    assert caught.value.code == "invalid-digest" and caught.value.why.isprintable() and len(caught.value.why) < 200


def test_digests() -> None:
    text = b"".join(b"%s  /h/bar/%s/.hg/store/00changelog.i\n" % (b"ab" * 32, name) for name in (b"db", b"foo"))
    assert plain_output.digests(text) == {"db": "ab" * 32, "foo": "ab" * 32}


def test_digests_below_a_folder_whose_name_is_escaped() -> None:
    """A line about a name with a backslash begins with one: "File name escaping" in the manual of coreutils."""
    text = b"\\%s  /h\\\\x/bar/db/.hg/store/00changelog.i\n" % (b"ab" * 32)
    assert plain_output.digests(text) == {"db": "ab" * 32}
