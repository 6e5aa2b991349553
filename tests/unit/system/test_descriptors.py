"""A deep tree needs many descriptors; what is started gets no more than there were before."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator

import pytest

from pacha.system import descriptors


@pytest.fixture(name="most")
def few_of_many(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Begin with a soft limit of 300; return the hard one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(descriptors, "_given", None)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def started() -> int:
    """The limit of a program that is started now."""
    return int(subprocess.run(["sh", "-c", "ulimit -n"], capture_output=True, check=True).stdout)


def test_this_process_gets_all_and_what_it_starts_what_was_given(most: int) -> None:
    descriptors.allow_all()
    descriptors.allow_all()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    with descriptors.as_given():
        assert started() == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)


def test_without_more_it_is_what_it_was(most: int) -> None:
    with descriptors.as_given():
        assert started() == 300
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (300, most)
