"""Owners that a user namespace does not map."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pacha.files import user_namespace
from pacha.files.user_namespace import OVERFLOW

PARTIAL = {"uid_map": (range(1),), "gid_map": (range(1),)}
WIDE = {"uid_map": (range(65536),), "gid_map": (range(65536),)}


def of(uid: int, gid: int = 0, mode: int = stat.S_IFREG) -> os.stat_result:
    return cast("os.stat_result", SimpleNamespace(st_uid=uid, st_gid=gid, st_mode=mode))


def within(monkeypatch: pytest.MonkeyPatch, maps: dict[str, Any]) -> None:
    monkeypatch.setattr(user_namespace, "ranges", maps.__getitem__)


def test_where_every_number_is_mapped_nobody_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    within(monkeypatch, {"uid_map": (range(2**32 - 1),), "gid_map": (range(2**32 - 1),)})
    assert not user_namespace.is_partial()
    assert not user_namespace.is_unmapped_user(of(OVERFLOW), b"x", -1)
    assert not user_namespace.is_unmapped_group(of(0, OVERFLOW))


def test_a_number_that_does_not_exist_here_is_somebody_else_s(monkeypatch: pytest.MonkeyPatch) -> None:
    within(monkeypatch, PARTIAL)
    assert user_namespace.is_unmapped_user(of(OVERFLOW), b"x", -1)
    assert user_namespace.is_unmapped_group(of(0, OVERFLOW))
    assert not user_namespace.is_unmapped_user(of(0), b"x", -1) and not user_namespace.is_unmapped_group(of(0))


def test_one_that_exists_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    within(monkeypatch, WIDE)
    (tmp_path / "ours").touch()
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert not user_namespace.is_unmapped_user(of(OVERFLOW), b"ours", fd)
        assert user_namespace.is_unmapped_user(of(OVERFLOW), b"none", fd)
        assert user_namespace.is_unmapped_user(of(OVERFLOW, mode=stat.S_IFCHR), b"ours", fd), "no device is opened"
    finally:
        os.close(fd)
    assert not user_namespace.is_unmapped_group(of(0, OVERFLOW)), "nothing tells"


def test_the_ranges_of_this_process() -> None:
    user_namespace.ranges.cache_clear()
    assert any(os.getuid() in numbers for numbers in user_namespace.ranges("uid_map"))
    assert 2**32 - 2 in user_namespace.ranges("no_such_map")[0]
