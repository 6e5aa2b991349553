"""No more memory than there is: an error instead of the end of the process."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.system import memory_limit
from pacha.system.child import run_in_child


def test_too_much_is_an_error_and_the_limit_is_lifted_again() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(DamagedError, match="not enough memory") as caught, memory_limit.limit_memory(64 << 20):
        bytearray(500 << 20)
    assert "MiB" in caught.value.why and caught.value.hint
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    bytearray(100 << 20)


def test_a_lower_limit_that_holds_already_is_kept() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    lower = memory_limit.in_use() + (64 << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (lower, before[1]))
    try:
        with memory_limit.limit_memory(1 << 40):
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] == lower
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def test_a_limit_for_good_keeps_a_lower_one() -> None:
    def limits_of_both() -> bytes:
        memory_limit.limit_memory_for_good(64 << 20)
        first = resource.getrlimit(resource.RLIMIT_DATA)
        memory_limit.limit_memory_for_good(1 << 40)
        return str(first == resource.getrlimit(resource.RLIMIT_DATA) and first[0] == first[1]).encode()

    assert run_in_child(limits_of_both)[0] == b"True"


@pytest.mark.parametrize(("text", "most"), [("max", 1 << 50), ("1048576", 1 << 20), ("", 1 << 50)])
def test_what_is_free_is_what_the_group_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, most: int
) -> None:
    (tmp_path / "memory.max").write_text(text)
    monkeypatch.setattr(memory_limit, "_GROUP", tmp_path / "memory.max")
    assert 0 < memory_limit._free() <= most
