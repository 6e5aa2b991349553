"""What a rebuild leaves to this machine, decided from the facts, the release and the files."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pacha.fetch.spool import Spool
from pacha.files.entry import Entry, Kind
from pacha.machine.facts import Card, Facts
from pacha.rebuild import hardware
from pacha.rebuild.bound import UNBOUND, Bound
from pacha.rebuild.hardware import Circumstances
from pacha.rebuild.machine import Machines
from pacha.rebuild.options import HardwarePolicy, RebuildOptions
from pacha.store.snapshot import Snapshot, Watched
from tests.support import machines
from tests.support.entries import entry_at

FILES = {
    b"/etc/machine-id": b"0123\n",
    b"/etc/debian_version": b"12.5\n",
    b"/etc/crypttab": b"data /dev/sdb1 /etc/keys/data luks\n",
    b"/etc/ld.so.cache": b"x",
    b"/etc/hostname": b"bar\n",
}
SAME = Facts(cards=(Card(name="eth0", mac="52:54:00:00:00:01"),))
OTHER = Facts(cards=(Card(name="eth0", mac="52:54:00:00:00:02"),))


@pytest.fixture(name="about")
def circumstances(tmp_path: Path) -> Circumstances:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/passwd").write_text("")
    return Circumstances(
        options=RebuildOptions(target=os.fsencode(tmp_path / "root")),
        machines=Machines(recorded=SAME, here=OTHER),
        living=False, other_release=False, host="bar", aside=b"/state/from-bar",
    )  # fmt: skip


def decide(tmp_path: Path, about: Circumstances, files: dict[bytes, bytes] | None = None) -> Bound:
    spool, entries = Spool(), dict[bytes, Entry]()
    with open(tmp_path / "content", "w+b") as file:
        for path, content in (FILES if files is None else files).items():
            spool.places[path] = (file.fileno(), file.tell(), len(content))
            entries[path] = entry_at(path, Kind.FILE, size=len(content))
            file.write(content)
        file.flush()
        watched = (Watched(path=b"/etc", single=False, repository="etc", node="cd" * 20),)
        return hardware.decide(Snapshot({"host": "bar"}, watched, entries), spool, about)


def test_other_hardware(tmp_path: Path, about: Circumstances) -> None:
    bound = decide(tmp_path, about)
    assert set(bound.withheld) == {b"/etc/machine-id", b"/etc/crypttab", b"/etc/ld.so.cache"} and bound.other
    assert bound.withheld[b"/etc/crypttab"].shortfall == "that of 'bar' is put into /state/from-bar/etc/crypttab"
    assert bound.withheld[b"/etc/ld.so.cache"].shortfall == ""


def test_another_release_on_the_same_machine(tmp_path: Path, about: Circumstances) -> None:
    same = replace(about, machines=Machines(recorded=SAME, here=SAME))
    assert decide(tmp_path, same) is UNBOUND
    assert set(decide(tmp_path, replace(same, other_release=True)).withheld) == {
        b"/etc/debian_version", b"/etc/ld.so.cache",
    }  # fmt: skip


def test_a_snapshot_that_says_nothing_of_its_machine(tmp_path: Path, about: Circumstances) -> None:
    silent = replace(about, machines=None)
    assert decide(tmp_path, silent).other and b"/etc/machine-id" in decide(tmp_path, silent).withheld
    assert decide(tmp_path, replace(silent, living=True)) is UNBOUND


@pytest.mark.parametrize("policy", list(HardwarePolicy))
def test_a_person_decides(tmp_path: Path, about: Circumstances, policy: HardwarePolicy) -> None:
    told = replace(about, options=replace(about.options, hardware=policy))
    assert decide(tmp_path, told).other is (policy is not HardwarePolicy.SAME)


def test_a_mere_folder_gets_everything(tmp_path: Path, about: Circumstances) -> None:
    folder = replace(about, options=RebuildOptions(target=os.fsencode(tmp_path / "look")))
    assert decide(tmp_path, folder) is UNBOUND


def test_a_key_file_that_comes_back_with_it_is_there(tmp_path: Path, about: Circumstances) -> None:
    files = {b"/etc/crypttab": b"data none /etc/keys/data luks\n", b"/etc/keys/data": b"k"}
    assert b"/etc/crypttab" not in decide(tmp_path, about, files).withheld
    del files[b"/etc/keys/data"]
    assert "the file /etc/keys/data is not here" in decide(tmp_path, about, files).withheld[b"/etc/crypttab"].reason


def test_what_cannot_be_read_stays(tmp_path: Path, about: Circumstances) -> None:
    for content, words in ((b"\0", "it is no text"), (b"x" * (2 << 20), "too long")):
        assert words in decide(tmp_path, about, {b"/etc/fstab": content}).withheld[b"/etc/fstab"].reason


@pytest.mark.parametrize(
    ("name", "own", "recorded"),
    [
        ("network/interfaces", "auto enp1s0\niface enp1s0 inet dhcp\n", "source interfaces.d/*\nauto lo\n"),
        ("netplan/00.yaml", "network:\n  ethernets:\n    enp1s0:\n      dhcp4: true\n", "network:\n  version: 2\n"),
    ],
)
def test_what_reaches_this_machine_is_not_replaced_by_what_names_no_card(
    tmp_path: Path, about: Circumstances, monkeypatch: pytest.MonkeyPatch, name: str, own: str, recorded: str
) -> None:
    running = machines.machine(tmp_path / "running")
    monkeypatch.setattr(hardware, "Inventory", partial(hardware.Inventory, running=running))
    path = os.fsencode(f"/etc/{name}")
    machines.write(tmp_path / "root/etc" / name, own)
    held = decide(tmp_path, about, {path: recorded.encode()}).withheld[path]
    assert held.reason.startswith("the file that is here names the network card enp1s0, and it none (")
    assert decide(tmp_path, about, {path: own.encode() + b"#\n"}).withheld == {}
    machines.write(tmp_path / "root/etc" / name, recorded)
    assert decide(tmp_path, about, {path: recorded.encode()}).withheld == {}
