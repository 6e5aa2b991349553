"""The accounts that are missing as commands, owner maps, ACLs by name."""

from __future__ import annotations

import shlex
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacha.errors import UsageError
from pacha.files.entry import Entry
from pacha.files.owners import Account, Accounts
from pacha.rebuild import accounts
from tests.support.entries import entry_at

HERE = Accounts.from_files(b"root:x:0:0::/:\nbob:x:1001:1001::/:\n", b"root:x:0:\nbob:x:1001:\nstaff:x:50:\n")
ACL = b"system.posix_acl_access"


def lines(*recorded: Account, users: tuple[bytes, ...] = (), groups: tuple[bytes, ...] = ()) -> list[str]:
    return accounts.commands(users, groups, recorded, HERE)


def user(name: bytes = b"ann", number: int = 1000, gid: int = 1000, groups: tuple[bytes, ...] = ()) -> Account:
    return Account(
        name=name, is_group=False, number=number, gid=gid, home=b"/home/ann", login_shell=b"/bin/zsh", groups=groups
    )


def test_number_0_is_root_whatever_it_is_called() -> None:
    recorded = [
        entry_at(b"/1", owner=b"sysop", uid=0, group=b"wheel", gid=0),
        entry_at(b"/2", owner=b"bob", uid=1000, group=b"root", gid=7),
        entry_at(b"/3", owner=b"root", uid=500, group=None, gid=9),
    ]
    names = accounts.with_root(HERE, recorded)
    assert (names.uid(b"sysop"), names.gid(b"wheel"), names.uid(b"bob")) == (0, 0, 1001)
    assert (names.uid(b"root"), names.gid(b"root")) == (None, None), "they are no root's"
    assert accounts.mapped(names, HERE, {b"root": b"root", b"sysop": b"bob"}, {}).uids.get(b"root") == 0
    assert accounts.mapped(names, HERE, {b"root": b"root", b"sysop": b"bob"}, {}).uids.get(b"sysop") == 1001


class TestCommands:
    def test_as_recorded_with_the_groups_first(self) -> None:
        made = lines(
            user(groups=(b"staff", b"video")),
            Account(name=b"ann", is_group=True, number=1000),
            Account(name=b"video", is_group=True, number=44),
            users=(b"ann",),
            groups=(b"ann",),
        )
        assert made == [
            "groupadd --gid 1000 ann",
            "groupadd --system --gid 44 video",
            "useradd --uid 1000 --gid ann --home-dir /home/ann --no-create-home --shell /bin/zsh "
            "--groups staff,video ann",
        ]

    def test_a_number_that_is_taken_is_left_to_the_system(self) -> None:
        made = lines(user(number=1001, gid=1001), Account(name=b"ann", is_group=True, number=1001), users=(b"ann",))
        assert made[0] == "groupadd ann" and "--uid" not in made[1] and "--gid ann" in made[1]

    def test_a_number_that_only_stood_in_is_not_asked_for(self) -> None:
        assert lines(Account(name=b"g", is_group=True, number=2**31), groups=(b"g",)) == ["groupadd g"]

    def test_of_what_was_not_recorded_the_name_is_all(self) -> None:
        assert lines(users=(b"who",), groups=(b"what",)) == ["groupadd what", "useradd who"]

    @settings(max_examples=40)
    @given(st.binary(min_size=1).filter(lambda name: not {0, 10, 58} & set(name)))
    def test_a_hostile_name_stays_one_harmless_word(self, name: bytes) -> None:
        made = lines(user(name=name), users=(name,))
        assert len(made) == 1 and made[0].isprintable()
        printed = subprocess.run(
            ["bash", "-c", f"useradd() {{ printf '%s' \"${{@: -1}}\"; }}; {made[0]}"], capture_output=True
        )
        assert printed.stdout == name and not printed.stderr

    @pytest.mark.parametrize("name", [b"CORP\\mail users", b"ann@example.org", b"70009", b"Ann"])
    def test_a_name_that_useradd_refuses_can_be_pasted_and_is_told(self, name: bytes) -> None:
        [made] = lines(Account(name=name, is_group=True, number=70002), groups=(name,))
        word = shlex.quote(name.decode())
        assert made == f"groupadd --gid 70002 {word}  # groupadd refuses this name"


class TestMaps:
    def read(self, tmp_path: Path, text: str) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        (tmp_path / "map").write_text(text)
        users, groups = accounts.read_map(tmp_path / "map")
        return dict(users), dict(groups)

    def test_lines(self, tmp_path: Path) -> None:
        read = self.read(tmp_path, "# who\n\nann : bob\nu:x:0\ng:x:staff\n")
        assert read == ({b"ann": b"bob", b"x": b"0"}, {b"ann": b"bob", b"x": b"staff"})

    @pytest.mark.parametrize("text", ["ann", "ann:", ":bob", "q:ann:bob", "a:b:c:d", "u:ann:"])
    def test_wrong_ones(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(UsageError, match="line 1"):
            self.read(tmp_path, text)

    def test_none(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError):
            accounts.read_map(tmp_path / "no")

    def test_old_names_stand_for_new_ones(self) -> None:
        made = accounts.mapped(HERE, HERE, {b"ann": b"bob", b"num": b"4711"}, {b"ann": b"staff"})
        assert (made.uid(b"ann"), made.uid(b"num"), made.gid(b"ann"), made.uid(b"bob")) == (1001, 4711, 50, 1001)

    @pytest.mark.parametrize(("users", "groups"), [({b"a": b"no"}, {}), ({}, {b"a": b"no"}), ({b"a": b"staff"}, {})])
    def test_a_new_name_must_be_one(self, users: dict[bytes, bytes], groups: dict[bytes, bytes]) -> None:
        with pytest.raises(UsageError, match="owner map"):
            accounts.mapped(HERE, HERE, users, groups)


class TestAcls:
    def entry(self, *numbers: int) -> Entry:
        data = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", 2, 6, number) for number in numbers)
        return entry_at(b"/x", mtime_ns=0, xattrs=((ACL, data),))

    def mapped(self, *numbers: int) -> tuple[Entry, list[str]]:
        recorded = (
            Account(name=b"bob", is_group=False, number=1000),
            Account(name=b"gone", is_group=False, number=2000),
        )
        made, concerns = accounts.with_acls({b"/x": self.entry(*numbers)}, recorded, HERE)
        return made[b"/x"], [concern.reason for concern in concerns]

    def test_by_name(self) -> None:
        assert self.mapped(1000) == (self.entry(1001), [])

    def test_a_number_without_a_name_stays_while_it_is_nobodys(self) -> None:
        assert self.mapped(3000) == (self.entry(3000), [])
        made, said = self.mapped(1001)
        assert made == self.entry() and "user 1001" in said[0]

    def test_a_name_that_is_lacking_is_named(self) -> None:
        made, said = self.mapped(2000, 3000)
        assert made == self.entry(3000) and "user 2000" in said[0]
