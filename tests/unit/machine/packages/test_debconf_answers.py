"""debconf's answers of the host are added to those of this machine, which win."""

from __future__ import annotations

import stat
from pathlib import Path

from pacha.machine.packages import debconf_answers

OWN = b"Name: a/one\nTemplate: a/one\nValue: here\nOwners: a\n\n"
RECORDED = b"Name: a/one\nTemplate: a/one\nValue: there\n\nName: b/two\nTemplate: b/two\nValue: yes\n\nno stanza\n\n"


def test_only_what_is_not_known_is_added(tmp_path: Path) -> None:
    place = tmp_path / "config.dat"
    place.write_bytes(OWN)
    place.chmod(0o640)
    assert debconf_answers.merge(RECORDED, place) == 1
    assert place.read_bytes() == OWN + b"Name: b/two\nTemplate: b/two\nValue: yes\n\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o640
    assert debconf_answers.merge(RECORDED, place) == 0


def test_a_machine_without_answers(tmp_path: Path) -> None:
    place = tmp_path / "cache/debconf/config.dat"
    assert debconf_answers.merge(b"", place) == 0 and not place.exists()
    assert debconf_answers.merge(RECORDED, place) == 2 and place.read_bytes().endswith(b"yes\n\n")
