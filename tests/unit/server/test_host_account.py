"""Work in a host's folder is done by a child within limits, whose scratch folder is removed whatever it left there."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from pathlib import Path

import pytest

from pacha.server import host_account
from pacha.server.host_account import AccountLimits

LIMITS = AccountLimits(cpu_seconds=5, seconds=20, memory=8 << 30, most=1000)


def test_the_reply_comes_from_a_child(tmp_path: Path) -> None:
    reply, status = host_account.run_as_owner(os.stat(tmp_path), lambda: b"%d" % os.getpid(), LIMITS)
    assert int(reply) != os.getpid() and status in (0, 9)


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    reply, _ = host_account.run_as_owner(os.stat(tmp_path), lambda: b"x" * 10_000, LIMITS)
    assert len(reply) == 1000


SMALL = replace(LIMITS, memory=200 << 20)
USED = mmap.PROT_READ | mmap.PROT_WRITE


def holding(size: int, prot: int) -> mmap.mmap:
    """Memory that this process has, as one that ran many tests, or has many threads."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=prot)


@pytest.mark.parametrize(("size", "prot"), [(600 << 20, USED), (3 << 30, mmap.PROT_READ)], ids=["used", "reserved"])
def test_what_this_process_has_takes_nothing_from_the_work(tmp_path: Path, size: int, prot: int) -> None:
    with holding(size, prot):
        reply, _ = host_account.run_as_owner(os.stat(tmp_path), lambda: b"%d" % len(bytes(100 << 20)), SMALL)
        assert reply == b"%d" % (100 << 20)
        reply, _ = host_account.run_as_owner(os.stat(tmp_path), lambda: b"%d" % len(bytes(300 << 20)), SMALL)
        assert reply == b""


def test_a_scratch_folder_that_was_closed_is_removed(tmp_path: Path) -> None:
    with host_account.scratch_folder(os.stat(tmp_path)) as scratch:
        (scratch / "closed").mkdir()
        (scratch / "closed/file").touch()
        (scratch / "closed").chmod(0)
        assert scratch.stat().st_mode & 0o777 == 0o700
    assert not scratch.parent.exists()
