"""What pacha.rebuild.keep names is left as it is here, in the rebuild that was told so and in those that finish it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.stage import PACHA, Host, alone, changed, picture

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A host that has lost its state and its files; on the machine that takes its place some of them are others."""
    made = alone(tmp_path)
    etc = tmp_path / "etc"
    (etc / "network" / "interfaces.d").mkdir(parents=True)
    for name in ("fstab", "hostname", "network/interfaces", "network/interfaces.d/one", "own"):
        (etc / name).write_text(f"{name} of the host\n")
    (etc / "network").chmod(0o700)
    made.watch(etc)
    made.push()
    made.forget()
    shutil.rmtree(etc)
    (etc / "network").mkdir(parents=True)
    for name in ("fstab", "network/interfaces", "network/extra"):
        (etc / name).write_text(f"{name} of the machine\n")
    return made


@pytest.fixture
def etc(host: Host, tmp_path: Path) -> Path:
    return tmp_path / "etc"


@contextmanager
def in_the_way(path: Path) -> Iterator[None]:
    """Something is mounted on the file ``path``, which so cannot be restored."""
    path.touch()
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_takes_all_below_it(host: Host, etc: Path, end: str) -> None:
    before, was = picture(etc / "network"), picture(etc)
    host.configure(rebuild_keep=f"{etc}/network{end} {etc}/absent {etc}/own")
    planned = host.pacha("rebuild", "bar", "--dry-run", "--delete").must()
    assert f"Kept: {etc}/network, {etc}/own." in planned.out.splitlines()
    assert f"kept     {etc}/network/interfaces: pacha.rebuild.keep names it" in planned.out
    for _ in range(2):
        done = host.rebuild("--delete")
        assert changed(before, picture(etc / "network")) == []
        assert (etc / "fstab").read_text() == "fstab of the host\n" and not (etc / "own").exists()
    assert f"Kept: {etc}/network, {etc}/own." in done.out.splitlines()
    host.pacha("undo").must()
    assert changed(was, picture(etc)) == []


def test_a_part_that_is_kept_is_refused_before_anything_is_touched(host: Host, etc: Path) -> None:
    host.configure(rebuild_keep=f"{etc}/network/")
    before = picture(etc)
    done = host.pacha("rebuild", "bar", "--yes", "--path", etc / "network" / "interfaces").must(2)
    assert f"{etc}/network/interfaces is not restored." in done.err and "--target" in done.err
    assert changed(before, picture(etc)) == []
    host.rebuild("--path", etc / "network" / "interfaces", "--target", host.folder / "look")
    assert (Path(f"{host.folder}/look{etc}") / "network" / "interfaces").exists()


def test_a_pattern_that_is_none_is_a_fault_of_the_configuration(host: Host) -> None:
    host.configure(rebuild_keep="/etc/[z-a]")
    done = host.pacha("rebuild", "bar", "--yes").must(10)
    assert "[z-a]" in done.err


# -- the choices are remembered until the rebuild is settled


@pytest.fixture
def half(host: Host, etc: Path) -> Iterator[Host]:
    """A rebuild that kept fstab and could not restore one file; the configuration that said so is gone since."""
    host.configure(rebuild_keep=f"{etc}/fstab")
    with in_the_way(etc / "own"):
        host.rebuild(code=3)
        assert (etc / "fstab").read_text() == "fstab of the machine\n"
        host.configure(rebuild_keep="")
        yield host


def test_the_run_that_finishes_it_keeps_what_the_first_one_kept(host: Host, etc: Path) -> None:
    host.configure(rebuild_keep=f"{etc}/fstab")
    with in_the_way(etc / "own"):
        host.rebuild(code=3)
    host.configure(rebuild_keep="")
    said = f"As in the rebuild before this, which is not settled: keep {etc}/fstab."
    assert said in host.pacha("rebuild", "bar", "--dry-run").must().out.splitlines()
    planned = json.loads(host.pacha("rebuild", "bar", "--dry-run", "--json").must().out)
    others = {"accounts": None, "owner_map": False, "hardware": None, "packages": None}
    assert planned["remembered"] == {"keep": [f"{etc}/fstab"], **others}
    done = host.rebuild()
    assert said in done.out.splitlines() and f"Kept: {etc}/fstab." in done.out.splitlines()
    assert (etc / "fstab").read_text() == "fstab of the machine\n"
    assert (etc / "own").read_text() == "own of the host\n"
    assert "choices" not in host.memory, "it is settled"
    assert "As in the rebuild before" not in host.pacha("rebuild", "bar", "--dry-run").must().out


def test_what_is_kept_now_is_kept_beside_it(half: Host, etc: Path) -> None:
    (etc / "hostname").write_text("hostname of the machine\n")
    half.configure(rebuild_keep=f"{etc}/hostname")
    half.rebuild(code=3)
    assert (etc / "hostname").read_text() == "hostname of the machine\n"
    assert (etc / "fstab").read_text() == "fstab of the machine\n"
    assert half.memory["choices"]["bar"]["keep"] == [f"{etc}/hostname", f"{etc}/fstab"]  # type: ignore[index]


def test_a_part_and_a_rehearsal_leave_the_choices_of_the_whole(half: Host, etc: Path) -> None:
    before = half.memory["choices"]
    half.rebuild("--path", etc / "hostname")
    out = half.rebuild("--target", half.folder / "look").out
    assert "As in the rebuild before" not in out
    assert Path(f"{half.folder}/look{etc}/fstab").read_text() == "fstab of the host\n"
    half.pacha("undo").must()
    assert half.memory["choices"] == before
    done = half.pacha("rebuild", "bar", "--yes", "--path", etc / "fstab").must(2)
    assert f"{etc}/fstab is not restored." in done.err


def test_another_choice_on_the_command_line_counts_and_is_remembered(half: Host) -> None:
    half.rebuild("--accounts", "keep", code=3)
    assert half.memory["choices"]["bar"]["accounts"] == "keep"  # type: ignore[index]
    assert "--accounts keep." in half.rebuild(code=3).out
    half.rebuild("--accounts", "renumber", code=3)
    assert half.memory["choices"]["bar"]["accounts"] == ""  # type: ignore[index]


def test_a_rebuild_of_another_host_in_between_leaves_them(half: Host, etc: Path) -> None:
    other = half.stage.folder / "other"
    other.mkdir()
    (other / "x").write_text("x\n")
    host = Host(half.stage, half.stage.folder / "second", "qux")
    host.watch(other)
    host.push()
    before = half.memory["choices"]
    for _ in range(2):
        half.pacha("rebuild", "qux", "--yes").must()
    assert half.memory["choices"] == before
    assert f"not settled: keep {etc}/fstab." in half.rebuild(code=3).out
    assert (etc / "fstab").read_text() == "fstab of the machine\n"


def test_an_owner_map_is_remembered_without_its_file(half: Host, tmp_path: Path) -> None:
    (tmp_path / "map").write_text("u:root:nobody\n")
    half.rebuild("--owner-map", tmp_path / "map", code=3)
    (tmp_path / "map").unlink()
    hostname = tmp_path / "etc" / "hostname"
    os.chown(hostname, 0, 0)
    assert "its owner map." in half.rebuild(code=3).out
    assert hostname.stat().st_uid == 65534


@pytest.mark.parametrize("words", [["push", "--accept"], ["undo"]])
def test_whoever_gives_it_up_forgets_the_choices(half: Host, words: list[str]) -> None:
    assert "choices" in half.memory
    half.pacha(*words).must()
    assert "choices" not in half.memory


def under_strace(host: Host, fault: str) -> int:
    """The exit code of a rebuild in which the kernel makes ``fault`` (strace(1))."""
    calls = fault.partition(":")[0]
    strace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={fault}"]
    return subprocess.run(
        [*strace, PACHA, "rebuild", "bar", "--yes"], env=host.environment(), capture_output=True
    ).returncode


def test_a_rebuild_that_changed_nothing_leaves_what_was_remembered(half: Host, etc: Path) -> None:
    before = half.memory["choices"]
    half.configure(rebuild_keep=f"{etc}/hostname")
    (etc / "network" / "interfaces").write_text("to be written again\n")
    assert under_strace(half, "syncfs:error=ENOSPC") == 1
    assert half.memory["choices"] == before
    hook = half.stage.hosts / ".hooks" / "bar" / "pacha_pre" / "10-x"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    half.pacha("rebuild", "bar", "--yes", "--hooks").must(1)
    half.pacha("rebuild", "bar", "--dry-run").must(3)
    assert half.memory["choices"] == before


def test_a_rebuild_that_was_killed_is_finished_as_it_was_begun(host: Host, etc: Path) -> None:
    host.configure(rebuild_keep=f"{etc}/fstab")
    assert under_strace(host, "renameat,renameat2:signal=SIGKILL:when=2") in (-9, 137)
    host.configure(rebuild_keep="")
    done = host.rebuild()
    assert f"not settled: keep {etc}/fstab." in done.out
    assert (etc / "fstab").read_text() == "fstab of the machine\n"
    assert "choices" not in host.memory
