"""Directories of a rebuild: no link is followed at or below a root; above, only one that nobody else could have put."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from pacha.restore.dirfd import LinkRefused, SafeDirectories


@pytest.fixture(name="top")
def trusted_folder(tmp_path: Path) -> Path:
    top = tmp_path.resolve()
    (top / "real/root/sub").mkdir(parents=True)
    return top


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Every descriptor is closed in the end."""
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def name_of(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def b(path: Path) -> bytes:
    return os.fsencode(path)


def test_each_directory_is_reached(top: Path) -> None:
    with SafeDirectories([b(top / "real/root")]) as descent:
        for path in (top / "real/root/sub", top / "real", Path("/"), top / "real/root"):
            assert name_of(descent.enter(b(path))) == str(path)
        fd = descent.hold(b(top / "real"))
    assert name_of(fd) == str(top / "real")
    os.close(fd)


def test_no_link_is_followed_at_or_below_a_root(top: Path) -> None:
    (top / "real/root/link").symlink_to("sub")
    (top / "link").symlink_to("real")
    with SafeDirectories([b(top / "real/root"), b(top / "link")]) as descent:
        for path in (top / "real/root/link", top / "link", top / "link/root"):
            with pytest.raises(OSError):
                descent.enter(b(path))


def test_a_link_of_ours_above_a_root_is_followed_and_another_is_not(top: Path) -> None:
    (top / "link").symlink_to(top / "real")
    (top / "open").mkdir()
    (top / "open").chmod(0o777)
    (top / "open/link").symlink_to("../real")
    with SafeDirectories([b(top / "link/root"), b(top / "open/link/root")]) as descent:
        assert name_of(descent.enter(b(top / "link/root/sub"))) == str(top / "real/root/sub")
        with pytest.raises(LinkRefused):
            descent.enter(b(top / "open/link/root"))
        assert name_of(descent.enter(b(top / "open"))) == str(top / "open"), "without a link anybody may write there"


def test_a_link_into_what_others_may_write_to_is_refused(top: Path) -> None:
    (top / "open/below").mkdir(parents=True)
    (top / "open").chmod(0o777)
    (top / "link").symlink_to("open")
    with SafeDirectories([b(top / "link/below")]) as descent, pytest.raises(LinkRefused):
        descent.enter(b(top / "link/below"))


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_link_in_a_folder_of_a_group_or_of_all_is_refused(top: Path, mode: int) -> None:
    (top / "open").mkdir()
    (top / "open").chmod(mode)
    (top / "open/link").symlink_to("../real")
    with SafeDirectories([b(top / "open/link/root")]) as descent, pytest.raises(LinkRefused):
        descent.enter(b(top / "open/link/root"))


@pytest.mark.parametrize(
    ("target", "is_inside"),
    [("real", True), ("sub/../real", True), ("../real", False), ("sub/../../machine/real", False), ("/real", False)],
)
def test_no_link_leads_out_of_another_machine(top: Path, target: str, is_inside: bool) -> None:
    """An absolute one means a place of that machine, and here it would lead to this one's."""
    machine = top / "machine"
    for folder in ("real/root", "sub"):
        (machine / folder).mkdir(parents=True)
    (machine / "link").symlink_to(target)
    with SafeDirectories([b(machine / "link/root")], confined_to=b(machine)) as descent:
        with nullcontext() if is_inside else pytest.raises(LinkRefused, match="leads out"):
            assert name_of(descent.enter(b(machine / "link/root"))) == str(machine / "real/root")


def test_links_in_a_circle_end(top: Path) -> None:
    (top / "one").symlink_to("two")
    (top / "two").symlink_to("one")
    with SafeDirectories([b(top / "one/root")]) as descent, pytest.raises(LinkRefused):
        descent.enter(b(top / "one/root"))


def test_what_is_not_in_place_yet_is_reached_by_its_other_name(top: Path) -> None:
    (top / "real/root/.temporary/deep").mkdir(parents=True)
    with SafeDirectories([b(top / "real/root")]) as descent:
        descent.alias(b(top / "real/root/new"), b".temporary")
        assert name_of(descent.enter(b(top / "real/root/new/deep"))).endswith("/.temporary/deep")
        assert descent.aliases(b(top / "real/root/new/deep")) == {b(top / "real/root/new"): b".temporary"}
        assert descent.aliases(b(top / "real/root")) == {}
        (top / "real/root/.temporary").rename(top / "real/root/new")
        descent.in_place(b(top / "real/root/new"))
        descent.forget()
        assert name_of(descent.enter(b(top / "real/root/new/deep"))).endswith("/root/new/deep")


@pytest.mark.parametrize(("limit", "most"), [(4096, 64), (64, 16)])
def test_many_directories_keep_few_descriptors(
    top: Path, monkeypatch: pytest.MonkeyPatch, limit: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
    deep = top / "real/root" / "/".join("d" * 300)
    deep.mkdir(parents=True)
    with SafeDirectories([b(top / "real/root")]) as descent:
        assert name_of(descent.enter(b(deep))) == str(deep)
        descriptors = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        assert 0 < sum(name.startswith(str(top)) for name in descriptors) <= most
