"""Patterns mean what they mean in pacha.exclude; a file has all its names sealed or none."""

from __future__ import annotations

import pytest

from pacha.errors import ConfigError
from pacha.files.entry import Entry, Kind
from pacha.sealing.rules import SealRules

ROOTS = [b"/etc", b"/opt/app/one.key"]


@pytest.mark.parametrize(
    ("pattern", "path", "sealed"),
    [
        ("*.key", b"/etc/ssl/a.key", True),
        ("*.key", b"/etc/ssl/a.key.pub", False),
        ("*.key", b"/opt/app/one.key", True),
        ("/opt/app/one.key", b"/opt/app/one.key", True),
        ("/opt/app", b"/opt/app/one.key", True),
        ("/etc/ssl", b"/etc/ssl/deep/er/file", True),
        ("ssl/", b"/etc/ssl/file", True),
        ("ssl/", b"/etc/ssl", False),
        ("ssl/private", b"/etc/ssl/private/x", True),
        ("/etc/", b"/etc/hosts", True),
        ("/etc", b"/etc/hosts", True),
        ("opt", b"/opt/app/one.key", False),
        ("shadow", b"/etc/shadow", True),
        ("shadow", b"/srv/shadow", False),
        ("", b"/etc/shadow", False),
    ],
)
def test_what_is_sealed(pattern: str, path: bytes, sealed: bool) -> None:
    assert SealRules([pattern], ROOTS).matches(path) is sealed


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(ConfigError) as caught:
        SealRules(["a[z-a]\udcff"], ROOTS)
    assert caught.value.code == "pattern-invalid"


def file(path: bytes, group: int | None = None, kind: Kind = Kind.FILE) -> Entry:
    return Entry(path=path, kind=kind, mode=0o600, uid=0, gid=0, owner=None, group=None, mtime_ns=0, link_group=group)


def test_other_names_of_a_file_are_sealed_with_it() -> None:
    entries = [file(b"/etc/a.key", 1), file(b"/etc/b", 1), file(b"/etc/c"), file(b"/etc/d.key", None, Kind.FIFO)]
    assert SealRules(["*.key"], ROOTS).wanted({e.path: e for e in entries}) == {b"/etc/a.key", b"/etc/b"}
    assert SealRules([], ROOTS).wanted({e.path: e for e in entries}) == set()
    assert not SealRules([], ROOTS)
