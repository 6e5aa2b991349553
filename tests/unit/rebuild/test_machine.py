"""Which machine the host was, and which one this is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.errors import DamagedError
from pacha.fetch.fetched import Fetched
from pacha.machine import facts
from pacha.machine.facts import Facts
from pacha.rebuild import machine
from pacha.store.revision import Note
from pacha.store.snapshot import Snapshot


def fetched(**companions: bytes) -> Fetched:
    note = Note("", "root@bar", 1.0)
    return Fetched(
        snapshot=Snapshot(), tip="", note=note, changelog="", files=0, size=0, seconds=0, companions=companions
    )


def test_both_machines() -> None:
    compared = machine.compare(fetched(machine=facts.encode(Facts(kernel="6"))), b"")
    assert compared is not None and compared.recorded == Facts(kernel="6") and compared.here == facts.collect()


def test_the_system_below_a_target(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=alpine\n")
    text = facts.encode(Facts())
    assert machine.compare(fetched(machine=text), bytes(tmp_path)) is None  # a mere folder
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    compared = machine.compare(fetched(machine=text), bytes(tmp_path))
    assert compared is not None and compared.here.distribution == "alpine"


def test_a_snapshot_may_say_nothing_or_nonsense() -> None:
    assert machine.compare(fetched(), b"") is None
    with pytest.raises(DamagedError):
        machine.compare(fetched(machine=b"{"), b"")
