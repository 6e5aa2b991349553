"""Who else could change a file: its own mode and owner, and those of all that the kernel meets on the way to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.system.trust import UntrustedError, read_trusted, untrusted

US = (0, os.geteuid())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "b" / "file"
    path.parent.mkdir(parents=True)
    path.touch(0o644)
    return path


def test_what_only_we_can_change_is_trusted(file: Path) -> None:
    assert untrusted(file, US) is None and untrusted(file.parent, US) is None and untrusted(Path("/"), US) is None


def test_what_belongs_to_another_is_not(file: Path) -> None:
    found = untrusted(file, (54001,))
    assert found == (Path("/"), f"it belongs to user {os.stat('/').st_uid}")


@pytest.mark.parametrize("place", [".", "..", "../.."])
def test_what_everybody_may_write_to_is_not(file: Path, place: str) -> None:
    step = Path(os.path.normpath(file / place))
    step.chmod(step.stat().st_mode | 0o002)
    assert untrusted(file, US) == (step, "everybody may write to it")


def test_in_a_sticky_folder_nobody_replaces_ours_but_may_add_theirs(file: Path) -> None:
    file.parent.chmod(0o1777)
    assert untrusted(file, US) is None
    assert untrusted(file.parent, US) == (file.parent, "everybody may write to it")


def test_a_link_is_followed_step_by_step(file: Path, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("open/two")
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "two").symlink_to("../a/../a/b")
    assert untrusted(tmp_path / "one" / "file", US) is None
    (tmp_path / "open").chmod(0o777)
    found = untrusted(tmp_path / "one" / "file", US)
    assert found is not None and found[0] == tmp_path / "open"


def test_a_circle_and_what_is_not_there_are_errors(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for name in ("one", "three"):
        with pytest.raises(OSError, match=r"symbolic links|No such file"):
            untrusted(tmp_path / name, US)


def test_it_is_read_as_far_as_it_may_be_long(file: Path) -> None:
    file.write_bytes(b"12345")
    assert (read_trusted(file, 5), read_trusted(file, 2)) == (b"12345", b"123")
    file.chmod(0o666)
    with pytest.raises(UntrustedError) as caught:
        read_trusted(file, 5)
    assert (caught.value.place, caught.value.why) == (file, "everybody may write to it")


def test_what_is_no_file_is_refused_without_waiting(file: Path) -> None:
    os.mkfifo(file.with_name("fifo"), 0o600)
    for other in (file.with_name("fifo"), file.parent, file.with_name("none")):
        with pytest.raises(OSError):
            read_trusted(other, 5)
