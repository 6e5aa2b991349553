"""Names that stay while a directory service does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacha.files.name_service import has_directory, known_names
from pacha.files.owners import Account, Accounts

MACHINE = Accounts.from_files(b"root:x:0:0:::\nann:x:1002:1002:::\n", b"root:x:0:\n")
RECORDED = [
    Account(name=b"jdoe", is_group=False, number=70001),
    Account(name=b"ann", is_group=False, number=1001),
    Account(name=b"users", is_group=True, number=70000),
]


def nsswitch(folder: Path, text: str) -> str:
    path = folder / "nsswitch.conf"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("passwd: files\ngroup: files systemd\nhosts: files dns\n", False),
        ("passwd:files sss\n", True),
        ("passwd: files [SUCCESS=merge] systemd # sss\n", False),
        ("passwd: files [NOTFOUND = return] systemd\n", False),
        ("  group :  files winbind\n", True),
        ("passwd: compat\n", True),
        ("", False),
    ],
)
def test_what_nsswitch_conf_says(tmp_path: Path, text: str, expected: bool) -> None:
    assert has_directory(nsswitch(tmp_path, text)) is expected


def test_without_a_file_there_are_files_alone(tmp_path: Path) -> None:
    assert not has_directory(str(tmp_path / "none"))


def test_a_recorded_name_stays_and_is_told(tmp_path: Path) -> None:
    names = known_names(MACHINE, RECORDED, nsswitch(tmp_path, "passwd: files sss\n"))
    assert (names.users, names.groups) == ({}, {}), "nothing was asked yet"
    assert names.accounts.user_name(0) == b"root" and names.accounts.user_name(70001) == b"jdoe"
    assert names.accounts.user_name(1001) is None, "ann has another number now"
    assert names.accounts.group_name(70000) == b"users" and names.accounts.group_name(70001) is None
    assert (names.users, names.groups) == ({70001: b"jdoe"}, {70000: b"users"})


def test_files_alone_always_answer(tmp_path: Path) -> None:
    names = known_names(MACHINE, RECORDED, nsswitch(tmp_path, "passwd: files\n"))
    assert names.accounts.user_name(70001) is None and not names.users
