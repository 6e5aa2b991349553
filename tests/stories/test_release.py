"""/etc of one release comes to a machine of another: not without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.machine import Machine
from tests.support.stage import PACHA

pytestmark = pytest.mark.usefixtures("as_root")
SAID = "'bar' was Debian 12; this machine is Debian 13."


@pytest.fixture
def fresh(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "root")
    made.write("/etc/debian_version", text="12.5\n")
    made.write("/etc/app.conf")
    made.pacha("watch", "/etc")
    made.pacha("push")
    made.lose()
    made.write("/etc/debian_version", text="13.1\n")
    made.write("/etc/os-release", text="ID=debian\nVERSION_ID=13\n")
    return made


def test_it_is_said_before_anything_changes_and_named_in_the_end(fresh: Machine) -> None:
    planned = fresh.pacha("rebuild", "bar", "--dry-run", code=3)
    assert SAID in planned.out and f"pacha: /etc/debian_version: {SAID}" in planned.lines

    unasked = fresh.run("sh", "-c", "echo | $0 rebuild bar", PACHA).must(1)
    assert SAID in unasked.out and "nobody is at a terminal to be asked" in unasked.err
    assert fresh.at("/etc/debian_version").read_text() == "13.1\n"

    done = fresh.pacha("rebuild", "bar", "--yes", code=3)
    assert done.out.index(SAID) < done.out.index("Snapshot ")
    assert f"pacha: /etc/debian_version: {SAID}" in done.lines
    assert fresh.at("/etc/debian_version").read_text() == "13.1\n"
    assert fresh.at("/state/from-bar/etc/debian_version").read_text() == "12.5\n"
    assert [line for line in done.lines if "/etc/debian_version: it is for another release" in line]

    assert SAID not in fresh.pacha("rebuild", "bar", "--yes", code=3).out, "nothing of it is put here any more"
    fresh.write("/etc/app.conf", text="changed\n")
    assert SAID in fresh.pacha("rebuild", "bar", "--yes", code=3).out
    fresh.write("/etc/app.conf", text="changed\n")
    assert SAID not in fresh.pacha("rebuild", "bar", "--yes", "--path", "/etc/app.conf").out


def test_a_root_below_a_target_is_compared_and_a_folder_is_not(fresh: Machine) -> None:
    fresh.pacha("rebuild", "bar", "--yes", "--target", "/look")
    for name in ("passwd", "group"):
        fresh.write(f"/mnt/etc/{name}", text=fresh.at(f"/etc/{name}").read_text())
    fresh.write("/mnt/usr/lib/os-release", text="ID=debian\nVERSION_ID=11\n")
    done = fresh.pacha("rebuild", "bar", "--yes", "--target", "/mnt", code=3)
    assert "'bar' was Debian 12; the machine below /mnt is Debian 11." in done.out
