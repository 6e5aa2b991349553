"""The commands of a plain account that change nothing: what they ask, and which answers they believe."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import UnreachableError
from pacha.wire.plain_reader import PlainReader

DIGESTS = b"".join(b"%s  /h/bar/%s/.hg/store/00changelog.i\n" % (b"ab" * 32, name) for name in (b"db", b"foo"))


def ended(stdout: bytes = b"", stderr: bytes = b"") -> Any:
    return SimpleNamespace(status=1 if stderr else 0, stdout=stdout, stderr=stderr)


def reader(sha256sum: Any) -> PlainReader:
    """A reader of an account whose date(1) is right, and whose sha256sum(1) ends so."""
    connection: Any = SimpleNamespace(endpoint=SimpleNamespace(user="pacha"))
    plain = PlainReader(connection, b"/h", ["hg"])

    def run(argv: Sequence[bytes | str], **_: object) -> Any:
        return ended(b"1795499276.75\n") if "date" in argv else sha256sum

    plain._shell = SimpleNamespace(run=run)  # type: ignore[assignment]
    return plain


def test_a_probe_tells_the_clock_and_each_changelog_that_is_there() -> None:
    missing = b"sha256sum: /h/bar/baz/.hg/store/00changelog.i: No such file or directory\n"
    probe = reader(ended(DIGESTS, missing)).probe("bar", ["foo", "baz"])
    assert probe.clock == 1795499276.75 and probe.purged is None
    assert probe.contents == {"foo": "ab" * 32, "baz": None}


def test_a_folder_that_cannot_be_read_is_not_an_empty_one() -> None:
    denied = b"sha256sum: /h/bar/db/.hg/store/00changelog.i: Permission denied\n"
    with pytest.raises(UnreachableError) as caught:
        reader(ended(b"", denied)).probe("bar", ["foo"])
    assert caught.value.code == "master-denied"
